// The units, as systemd reads them. They are not started here: that takes a running systemd.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { deploy } from '../support/places.js'

const folder = mkdtempSync(path.join(tmpdir(), 'ringtap-units-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const units = readdirSync(path.join(deploy, 'systemd')).filter((name) => name.endsWith('.service'))
// systemd-analyze demands that the programs exist; where Node is differs.
for (const name of units) {
  const text = readFileSync(path.join(deploy, 'systemd', name), 'utf8')
  writeFileSync(path.join(folder, name), text.replaceAll('/usr/bin/node', process.execPath))
}

function analyze(...args: string[]) {
  const { status, stdout, stderr, error } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  if (error) throw error
  return { status, output: `${stdout}${stderr}` }
}

t.test('systemd-analyze verify has nothing to say', async (t) => {
  t.strictSame(units.sort(), ['ringtap-collector.service', 'ringtap-sensor@.service'])
  for (const name of units) {
    t.strictSame(analyze('verify', '--man=no', path.join(folder, name)), { status: 0, output: '' }, name)
  }
  const wrong = path.join(folder, 'wrong.service')
  writeFileSync(wrong, '[Service]\nExecStart=/bin/true\nDynamicUsers=yes\n')
  t.match(analyze('verify', '--man=no', wrong).output, /Unknown key (name )?'DynamicUsers'/)
})

t.test('their exposure is low', async (t) => {
  for (const name of units) {
    const { status, output } = analyze(
      'security',
      '--offline=true',
      '--no-pager',
      '--threshold=20',
      path.join(folder, name),
    )
    t.equal(status, 0, `${name}: ${output.trimEnd().split('\n').at(-1)}`)
  }
})

t.test('files that only root may read come as credentials', async (t) => {
  for (const name of units) {
    const text = readFileSync(path.join(deploy, 'systemd', name), 'utf8')
    const given = [...text.matchAll(/^LoadCredential=(.+):\/etc\/ringtap\/\1$/gm)].map(([, file]) => file)
    const used = [...text.matchAll(/=%d\/(\S+)/g)].map(([, file]) => file)
    t.strictSame(used.sort(), given.sort(), name)
    t.ok(used.includes(name.includes('sensor') ? 'ca.crt' : 'tls.key'), name)
  }
  // It would come after the unit's own, and name a file that the sensor's user cannot read.
  t.notMatch(readFileSync(path.join(deploy, 'systemd', 'sensor.env'), 'utf8'), /\/etc\/ringtap\/\w+\.(crt|key)/)
})

t.test('the sensor has one capability, and a user of its own', async (t) => {
  const text = readFileSync(path.join(deploy, 'systemd', 'ringtap-sensor@.service'), 'utf8')
  for (const line of [
    'DynamicUser=yes',
    'AmbientCapabilities=CAP_NET_RAW',
    'CapabilityBoundingSet=CAP_NET_RAW',
    'StateDirectory=ringtap-sensor',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
})
