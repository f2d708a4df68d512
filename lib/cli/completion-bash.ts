import type { CommandSurface, OptionSurface, Value } from './surface.js'

/** The completion of bash; it needs nothing of the package bash-completion. */
export function bashCompletion(commands: readonly CommandSurface[]): string {
  const names = commands.flatMap(({ name, aliases }) => [name, ...aliases])
  return `# Completion of ringtap for bash; written by "ringtap completion bash".
# Names of interfaces are quoted: they may contain any character but slash, colon and white space.
_ringtap_add() {
  local cur=$1 word
  shift
  for word in "$@"; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$(printf %q "$word")")
  done
}

_ringtap_interfaces() {
  local path
  for path in /sys/class/net/*; do
    [[ -e $path/ifindex ]] && _ringtap_add "$1" "\${path##*/}"
  done
}

_ringtap_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_ringtap() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command=capture
  COMPREPLY=()
  # bash makes three words of --name=value.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD > 1)); then
    case \${COMP_WORDS[1]} in
${commands.map(({ name, aliases }) => `      ${[name, ...aliases].join(' | ')}) command=${name} ;;`).join('\n')}
      help) command=help ;;
    esac
  fi
  case $command:$prev in
${commands.flatMap(valueCases).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case $command in
${commands.map((one) => `      ${one.name}) _ringtap_add "$cur" ${one.options.flatMap(flagsOf).join(' ')} ;;`).join('\n')}
    esac
    ((COMP_CWORD == 1)) && _ringtap_add "$cur" --version
  elif ((COMP_CWORD == 1)); then
    _ringtap_add "$cur" ${names.join(' ')} help
  else
    case $command in
${commands.flatMap(argumentCase).join('\n')}
      help) _ringtap_add "$cur" ${names.join(' ')} ;;
    esac
  fi
}

complete -F _ringtap ringtap
`
}

const flagsOf = ({ short, long }: OptionSurface) => [short, long].filter((flag) => flag !== undefined)

function valueCases({ name, options }: CommandSurface): string[] {
  return options
    .filter((option) => option.value !== undefined)
    .map((option) => {
      const patterns = flagsOf(option).map((flag) => `${name}:${flag}`)
      return `    ${patterns.join(' | ')}) ${actionFor(option.value!)}; return ;;`
    })
}

function argumentCase(command: CommandSurface): string[] {
  const value = command.arguments[0]
  if (!value || value.kind === 'other') return []
  return [`      ${command.name}) ${actionFor(value)} ;;`]
}

function actionFor({ kind, choices }: Value): string {
  switch (kind) {
    case 'file':
      return '_ringtap_files "$cur"'
    case 'interface':
      return '_ringtap_interfaces "$cur"'
    case 'program':
      return 'mapfile -t COMPREPLY < <(compgen -c -- "$cur")'
    case 'choice':
      return `_ringtap_add "$cur" ${choices.join(' ')}`
    case 'other':
      return ':'
  }
}
