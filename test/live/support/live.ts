/**
 * tap's `t`, imported inside a network namespace of the script's own: `import t from './support/live.js'` in place of
 * tap makes a live test of a file, whatever the order of its imports.
 */
import { pathToFileURL } from 'node:url'
import { inNamespace } from './namespace.js'

await inNamespace(pathToFileURL(process.argv[1] ?? '').href)

const { default: t } = await import('tap')
export default t
