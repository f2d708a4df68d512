/**
 * tap's `t`, imported after the script has entered its own network namespace. A test file becomes a live test by
 * `import t from './support/live.js'` in place of tap; the order of its imports does not matter.
 */
import { pathToFileURL } from 'node:url'
import { inNamespace } from './namespace.js'

await inNamespace(pathToFileURL(process.argv[1] ?? '').href)

const { default: t } = await import('tap')
export default t
