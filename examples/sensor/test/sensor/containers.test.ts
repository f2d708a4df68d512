// The report names the container at the other end of a veth pair.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { addNamespace, ip } from '../../src/demo/network.js'
import { Bench } from '../support/bench.js'
import t from '../support/live.js'
import { startSensor } from '../support/program.js'
import { until } from '../support/wait.js'

const bench = new Bench(t.testdir())
const id = '0123456789abcdef'.repeat(4)

t.test('a container of docker, by a procfs that is mounted elsewhere', async (t) => {
  const there = await addNamespace()
  t.teardown(() => there.close())
  ip([`link add name veth7 type veth peer name eth0 netns ${there.pid}`, 'link set dev veth7 up'])
  ip(['link set dev eth0 up'], there.pid)
  // The layout of the host's procfs and of docker's files; the namespace is a real one.
  const host = bench.fresh('host')
  mkdirSync(`${host}/proc/811/ns`, { recursive: true })
  symlinkSync(`/proc/${there.pid}/ns/net`, `${host}/proc/811/ns/net`)
  writeFileSync(`${host}/proc/811/comm`, 'nginx\n')
  writeFileSync(`${host}/proc/811/cgroup`, `0::/system.slice/docker-${id}.scope\n`)
  mkdirSync(`${host}/var/lib/docker/containers/${id}`, { recursive: true })
  const config = { ID: id, Name: '/web', Config: { Image: 'nginx:1.27', Labels: {} } }
  writeFileSync(`${host}/var/lib/docker/containers/${id}/config.v2.json`, JSON.stringify(config))

  const collector = await bench.collector(t)
  const more = { NETWORK_DEVICE_INCLUDELIST: '^veth7$', SENSOR_HOST_ROOT: host, SENSOR_HOST_PROC: `${host}/proc` }
  const sensor = startSensor(t, bench.settings(collector, more))
  await until(() => collector.reports.some(({ interfaces }) => interfaces.length > 0))
  const report = collector.reports.find(({ interfaces }) => interfaces.length > 0)
  t.match(report?.interfaces, [{ name: 'veth7', container: { id, name: 'web' } }])
  t.equal(await sensor.stop(), 0)
})
