// Checks resources of Kubernetes against its API, as the packages kubernetes-models and @kubernetes-models/… have it.
import path from 'node:path'
import ts from 'typescript'
import { application } from './places.js'

interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
}

const nameOf = ({ kind, metadata }: Resource) => `${kind} ${metadata.name}`

/** `apps/v1` → `kubernetes-models/apps/v1`. */
function moduleOf(apiVersion: string): string {
  if (apiVersion.startsWith('monitoring.coreos.com/')) return `@kubernetes-models/prometheus-operator/${apiVersion}`
  return `kubernetes-models/${apiVersion}`
}

/** What is missing, or not of the form that the API's schema demands. */
export async function valueFaults(resources: readonly Resource[]): Promise<string[]> {
  const faults: string[] = []
  for (const resource of resources) {
    const models = (await import(moduleOf(resource.apiVersion))) as Record<
      string,
      new (
        data: object,
      ) => { validate(): void }
    >
    const Model = models[resource.kind]
    if (!Model) {
      faults.push(`${nameOf(resource)}: ${resource.apiVersion} has no ${resource.kind}`)
      continue
    }
    try {
      new Model(resource).validate()
    } catch (error) {
      faults.push(`${nameOf(resource)}: ${(error as Error).message}`)
    }
  }
  return faults
}

/** Fields that the API does not have, or of another type: as TypeScript finds them in object literals. */
export function typeFaults(resources: readonly Resource[]): string[] {
  const lines = resources.map(
    (resource, i) =>
      `import type { I${resource.kind} as Type${i} } from '${moduleOf(resource.apiVersion)}'\n` +
      `export const resource${i}: Type${i} = ${JSON.stringify(resource)}`,
  )
  const file = path.join(application, 'resources.ts')
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists, readFile } = host
  const text = lines.join('\n')
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022) : getSourceFile.call(host, name, ...rest)
  host.fileExists = (name) => name === file || fileExists.call(host, name)
  host.readFile = (name) => (name === file ? text : readFile.call(host, name))
  const program = ts.createProgram([file], options, host)
  return ts.getPreEmitDiagnostics(program).map((one) => ts.flattenDiagnosticMessageText(one.messageText, '\n'))
}
