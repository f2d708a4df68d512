// The package is ESM by default (package.json "type"); this marks the files of the second build as CommonJS.
import { writeFileSync } from 'node:fs'

writeFileSync(new URL('../dist/cjs/package.json', import.meta.url), '{ "type": "commonjs" }\n')
