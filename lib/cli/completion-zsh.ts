import type { CommandSurface, OptionSurface, Value } from './surface.js'

/** The completion of zsh, for a file `_ringtap` in a directory of $fpath, or to be sourced after compinit. */
export function zshCompletion(commands: readonly CommandSurface[]): string {
  return `#compdef ringtap
# Completion of ringtap for zsh; written by "ringtap completion zsh".
_ringtap_net_interfaces() {
  local -a names
  names=(/sys/class/net/*/ifindex(N:h:t))
  local expl
  _wanted interfaces expl interface compadd -a names
}

_ringtap_command_names() {
  local -a commands
  commands=(
${commands
  .flatMap(({ name, aliases, description }) =>
    [name, ...aliases].map((one) => `    ${quoted(`${one}:${description}`)}`),
  )
  .join('\n')}
    ${quoted('help:explain a command')}
  )
  _describe command commands
}

${commands.map(functionOf).join('\n\n')}

_ringtap_help() {
  _arguments '1:command:_ringtap_command_names'
}

_ringtap() {
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _ringtap_command_names
    return
  fi
  case $words[2] in
${commands.map(({ name, aliases }) => `    ${[name, ...aliases].join('|')}) shift words; ((CURRENT--)); _ringtap_${name} ;;`).join('\n')}
    help) shift words; ((CURRENT--)); _ringtap_help ;;
    *) _ringtap_capture ;;
  esac
}

if [[ $funcstack[1] == _ringtap ]]; then
  _ringtap "$@"
else
  compdef _ringtap ringtap
fi
`
}

/** A word in single quotes. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

function functionOf(command: CommandSurface): string {
  const specs = [...command.options.map(optionSpec), ...command.arguments.map(argumentSpec)]
  return `_ringtap_${command.name}() {
  _arguments -s -S \\
${specs.map((spec) => `    ${spec}`).join(' \\\n')}
}`
}

/** `*`: again and again, which is right for patterns, and does no harm elsewhere. */
function optionSpec({ short, long, value, description }: OptionSurface): string {
  const text = `[${description.replace(/[\][\\]/g, '\\$&')}]${value ? `:${value.name}:${actionFor(value)}` : ''}`
  const flags = [short && (value ? `${short}+` : short), long && (value ? `${long}=` : long)].filter(Boolean)
  if (flags.length === 1) return quoted(`*${flags[0]}${text}`)
  return `'*'{${flags.join(',')}}${quoted(text)}`
}

function argumentSpec(value: Value & { variadic: boolean }): string {
  // Of an argument without choices, zsh would show its name instead of completing options.
  return quoted(`${value.variadic ? '*' : ''}:${value.name}:${value.kind === 'other' ? '()' : actionFor(value)}`)
}

function actionFor({ kind, choices }: Value): string {
  switch (kind) {
    case 'file':
      return '_files'
    case 'interface':
      return '_ringtap_net_interfaces'
    case 'program':
      return '_command_names -e'
    case 'choice':
      return `(${choices.join(' ')})`
    case 'other':
      return ' '
  }
}
