// The package is ESM by default (package.json "type"); the files of the second build are CommonJS and say so here.
import { writeFileSync } from 'node:fs'

writeFileSync(new URL('../dist/cjs/package.json', import.meta.url), '{ "type": "commonjs" }\n')
