import { fileURLToPath } from 'node:url'

/** The package's folder; the tests are in its dist/test/support. */
export const application = fileURLToPath(new URL('../../../', import.meta.url))
/** The folder of the deployment's files. */
export const deploy = fileURLToPath(new URL('../../../deploy/', import.meta.url))
/** The root of the source tree. */
export const tree = fileURLToPath(new URL('../../../../../', import.meta.url))
