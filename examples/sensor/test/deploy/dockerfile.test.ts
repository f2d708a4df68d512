// The Dockerfile: linted, and its rules. It is not built here: that takes the images it starts from. image.test.ts runs what
// is in the image.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { DockerfileParser } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import t from 'tap'
import { deploy, tree } from '../support/places.js'

const text = readFileSync(path.join(deploy, 'Dockerfile'), 'utf8')
const file = DockerfileParser.parse(text)
const instructions = file.getInstructions()
const of = (keyword: string) => instructions.filter((one) => one.getKeyword() === keyword)
const argumentsOf = (keyword: string) => of(keyword).map((one) => one.getArgumentsContent() ?? '')

t.test('the linter finds nothing', async (t) => {
  t.strictSame(
    validate(text).map((one) => `line ${one.range.start.line + 1}: ${one.message}`),
    [],
  )
  t.ok(validate(`${text}RUNN true\n`).length > 0, 'it finds what is wrong')
})

t.test('the images start from nothing, as a user that is not root, without a shell', async (t) => {
  t.strictSame(argumentsOf('FROM').slice(1), ['scratch AS collector', 'scratch AS sensor'])
  t.strictSame(argumentsOf('USER'), ['65532:65532', '65532:65532'])
  for (const form of [
    ...argumentsOf('ENTRYPOINT'),
    ...argumentsOf('HEALTHCHECK').map((one) => one.slice(one.indexOf('['))),
  ]) {
    t.equal((JSON.parse(form) as string[])[0], '/bin/node')
  }
  const last = instructions.findIndex((one) => one.getArgumentsContent() === 'scratch AS collector')
  t.notOk(
    instructions.slice(last).some((one) => one.getKeyword() === 'RUN'),
    'nothing runs in them',
  )
})

t.test('what it copies and starts exists', async (t) => {
  for (const [, words] of text.matchAll(/^COPY (?!--from)(.*)$/gm)) {
    for (const source of words!.split(/\s+/).slice(0, -1)) t.ok(existsSync(path.join(tree, source)), source)
  }
  for (const [, script] of text.matchAll(/"\/app\/examples\/sensor\/dist\/(\S+)\.js"/g)) {
    t.ok(existsSync(path.join(tree, 'examples/sensor', `${script}.ts`)), `${script} exists`)
  }
})
