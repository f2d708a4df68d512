// The Kubernetes files: built by kubectl kustomize and checked against the API's types, unknown fields included. They are
// not applied to a cluster here.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { IServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import type { IDaemonSet, IDeployment } from 'kubernetes-models/apps/v1'
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import type { IContainer, INamespace, IService } from 'kubernetes-models/v1'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { typeFaults, valueFaults } from '../support/kubernetes.js'
import { deploy } from '../support/places.js'

interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

const folder = mkdtempSync(path.join(tmpdir(), 'ringtap-kubernetes-'))
t.teardown(() => rmSync(folder, { recursive: true }))
cpSync(path.join(deploy, 'kubernetes'), folder, { recursive: true })

function build(name: string): Resource[] {
  const text = execFileSync('kubectl', ['kustomize', path.join(folder, name)], { encoding: 'utf8' })
  const resources = parseAllDocuments(text).map((one) => one.toJS() as Resource & { data?: Record<string, string> })
  // kustomize breaks base64 into lines, which the API server removes.
  for (const { data = {} } of resources) for (const key of Object.keys(data)) data[key] = data[key]!.replace(/\s/g, '')
  return resources
}

const isMatch = (labels: Record<string, string>, wanted: Record<string, string>) =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value)

t.test('nothing is deployed before its keys are made', async (t) => {
  const { status, stderr } = spawnSync('kubectl', ['kustomize', path.join(folder, 'base')], { encoding: 'utf8' })
  t.not(status, 0)
  t.match(stderr, 'secrets/')
})

execFileSync(path.join(deploy, 'make-secrets'), [
  path.join(folder, 'base/secrets'),
  'collector',
  'collector.ringtap.svc',
])

const base = build('base')
const kind = <T>(name: string, of = base) => of.filter((one) => one.kind === name) as unknown as T[]
const sensor = kind<IDaemonSet>('DaemonSet')[0]!.spec!.template.spec!
const collector = kind<IDeployment>('Deployment')[0]!.spec!.template.spec!
const containers = [...sensor.initContainers!, ...sensor.containers, ...collector.containers]

for (const name of ['base', 'monitoring']) {
  t.test(`${name}: every resource is valid`, async (t) => {
    const resources = build(name)
    t.strictSame(await valueFaults(resources), [])
    t.strictSame(typeFaults(resources), [])
    t.strictSame(
      resources.filter(
        (one) => !['Namespace', 'PriorityClass'].includes(one.kind) && one.metadata.namespace !== 'ringtap',
      ),
      [],
    )
    const kinds = resources.map((one) => one.kind).sort()
    t.strictSame(
      kinds,
      [
        ...[
          'DaemonSet',
          'Deployment',
          'Namespace',
          'NetworkPolicy',
          'PersistentVolumeClaim',
          'PriorityClass',
          'Secret',
        ],
        ...['Secret', 'Service', 'Service'],
        ...(name === 'monitoring' ? ['PrometheusRule', 'ServiceMonitor', 'ServiceMonitor'] : []),
      ].sort(),
    )
  })
}

t.test('the checks find what is wrong', async (t) => {
  const wrong = structuredClone(kind<IDaemonSet>('DaemonSet')[0]!)
  const container = wrong.spec!.template.spec!.containers[0] as IContainer & { securityContex?: object }
  container.securityContex = {}
  t.match(typeFaults([wrong as unknown as Resource]), [/securityContex/])
  wrong.spec!.template.spec!.hostNetwork = 'yes' as unknown as boolean
  t.match(await valueFaults([wrong as unknown as Resource]), [/hostNetwork must be boolean/])
})

t.test('privileges are no more than needed', async (t) => {
  for (const { name, securityContext, resources } of containers) {
    t.equal(securityContext!.readOnlyRootFilesystem, true, name)
    t.strictSame(securityContext!.capabilities!.drop, ['ALL'], name)
    t.notOk(securityContext!.privileged, name)
    t.ok(resources!.limits!['memory'] && resources!.limits!['cpu'], name)
  }
  const added = (one: IContainer) => one.securityContext!.capabilities!.add
  t.strictSame(sensor.initContainers!.map(added), [['CHOWN', 'NET_RAW']])
  t.strictSame(sensor.containers.map(added), [['NET_RAW']])
  t.strictSame(collector.containers.map(added), [undefined])
  for (const one of [sensor, collector]) {
    t.match(one.securityContext, { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } })
    t.equal(one.automountServiceAccountToken, false)
    for (const { startupProbe, readinessProbe, livenessProbe } of one.containers) {
      t.ok(startupProbe && readinessProbe && livenessProbe)
    }
  }
  const [namespace] = kind<INamespace>('Namespace')
  t.equal(namespace!.metadata!.labels!['pod-security.kubernetes.io/enforce'], 'privileged')
})

t.test('names agree: secrets, services, classes and images', async (t) => {
  const names = (of: string) => kind<Resource>(of).map((one) => one.metadata.name)
  t.ok(names('PriorityClass').includes(sensor.priorityClassName!))
  const mounted = [...sensor.volumes!, ...collector.volumes!].flatMap((one) => one.secret?.secretName ?? [])
  t.strictSame(mounted.sort(), names('Secret').sort())
  t.ok(names('Service').includes(sensor.containers[0]!.env!.find((one) => one.name === 'VSENSOR_HOSTNAME')!.value!))
  t.ok(containers.every(({ image }) => /^ringtap-(sensor|collector):\d/.test(image!)))
  // Whatever a container reads under a mounted secret is in that secret.
  const keys = (of: string) =>
    Object.keys(
      (base.find((one) => one.kind === 'Secret' && one.metadata.name.startsWith(of)) as { data?: object })!.data!,
    )
  const files = (one: IContainer) =>
    one.env!.flatMap(({ value }) => /^\/run\/secrets\/ringtap\/(.*)$/.exec(value ?? '')?.[1] ?? []).sort()
  t.strictSame(files(sensor.containers[0]!), keys('sensor').sort())
  t.strictSame(files(collector.containers[0]!), keys('collector').sort())
})

t.test('what is monitored has a port of that name, and the policy lets it in', async (t) => {
  const monitoring = build('monitoring')
  const monitors = kind<IServiceMonitor>('ServiceMonitor', monitoring)
  const services = kind<IService>('Service', monitoring)
  for (const { metadata, spec } of monitors) {
    const labels = spec!.selector.matchLabels!
    const chosen = services.filter((one) => isMatch(one.metadata!.labels ?? {}, labels))
    t.equal(chosen.length, 1, metadata!.name!)
    const names = chosen[0]!.spec!.ports!.map(({ name }) => name)
    t.ok(
      spec!.endpoints!.every(({ port }) => names.includes(port)),
      metadata!.name!,
    )
  }
  const [{ containers: [watched] = [] }] = kind<IDeployment>('Deployment', monitoring).map(
    (one) => one.spec!.template.spec!,
  ) as [{ containers: IContainer[] }]
  const port = watched!.env!.find(({ name }) => name === 'COLLECTOR_HEALTH_PORT')!.value
  t.equal(String(watched!.ports!.find(({ name }) => name === 'metrics')!.containerPort), port)
  const [policy] = kind<INetworkPolicy>('NetworkPolicy', monitoring)
  t.strictSame(
    policy!.spec!.ingress!.flatMap(({ ports = [] }) => ports.map((one) => one.port)),
    ['https', 'metrics'],
  )
})

t.test('an update overlaps old and new', async (t) => {
  const { spec } = kind<IDaemonSet>('DaemonSet')[0]!
  t.match(spec!.updateStrategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } })
  // With host ports, the scheduler would not place the second pod.
  t.strictSame(
    sensor.containers.flatMap((one) => one.ports ?? []),
    [],
  )
  t.ok(sensor.terminationGracePeriodSeconds! > 30)
})
