// `npm run test:package`: what `npm run release` left, as package managers install it and bundlers take it. Fetches them
// by name from the npm registry.
//
//   npm run test:package -- yarn 'esbuild, cjs'   only the checks whose name contains one of these
import { bundlers } from './bundlers.mjs'
import { managers } from './managers.mjs'
import { runChecks } from './project.mjs'

await runChecks('package', { ...managers, ...bundlers })
