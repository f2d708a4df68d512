// Writes the manual page of the command and its completions for shells into the build of the library:
//
//   node scripts/command-files.cjs DIST
'use strict'
const { mkdirSync, writeFileSync } = require('node:fs')
const path = require('node:path')

const dist = path.resolve(process.argv[2])
const load = (name) => require(path.join(dist, 'cli', `${name}.js`))
const { version } = require('../package.json')
const root = load('program').program(version)
const commands = load('surface').surfaceOf(root)

function write(folder, name, text) {
  mkdirSync(path.join(dist, folder), { recursive: true })
  writeFileSync(path.join(dist, folder, name), text)
}

write('man', 'ringtap.1', load('man-page').manPage(root, version))
// The names under which the shells look for completions.
for (const [shell, name] of Object.entries({ bash: 'ringtap', zsh: '_ringtap', fish: 'ringtap.fish' }))
  write('completions', name, load('completion').completionScript(shell, commands))
