import type { CommandSurface, OptionSurface, Value } from './surface.js'

/** The completion of fish. */
export function fishCompletion(commands: readonly CommandSurface[]): string {
  return `# Completion of ringtap for fish; written by "ringtap completion fish".
function __ringtap_interfaces
    for path in /sys/class/net/*/ifindex
        basename (dirname $path)
    end
end

function __ringtap_command
    set -l words (commandline -opc)
    if test (count $words) -ge 2
        switch $words[2]
${commands.map(({ name, aliases }) => `            case ${[name, ...aliases].join(' ')}\n                echo ${name}\n                return`).join('\n')}
            case help
                echo help
                return
        end
    end
    echo capture
end

function __ringtap_first
    test (count (commandline -opc)) -eq 1
end

complete -c ringtap -f
complete -c ringtap -n __ringtap_first -s V -l version -d 'print the version'
${commands
  .flatMap(({ name, aliases, description }) =>
    [name, ...aliases].map((one) => `complete -c ringtap -n __ringtap_first -a ${one} -d ${quoted(description)}`),
  )
  .join('\n')}
complete -c ringtap -n __ringtap_first -a help -d 'explain a command'
complete -c ringtap -n 'test (__ringtap_command) = help' -a ${quoted(commands.map(({ name }) => name).join(' '))}
${commands.flatMap(linesOf).join('\n')}
`
}

/** A word in single quotes. */
const quoted = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`

function linesOf(command: CommandSurface): string[] {
  const when = `complete -c ringtap -n ${quoted(`test (__ringtap_command) = ${command.name}`)}`
  const lines = command.options.map((option) => `${when} ${flagsOf(option)} -d ${quoted(option.description)}`)
  const value = command.arguments[0]
  if (value && value.kind !== 'other') {
    // The first word may be another command still.
    const place = `complete -c ringtap -n ${quoted(`test (__ringtap_command) = ${command.name}; and not __ringtap_first`)}`
    lines.push(`${place} ${valueFlags(value, false)}`)
  }
  return lines
}

function flagsOf({ short, long, value }: OptionSurface): string {
  const flags = [short && `-s ${short.slice(1)}`, long && `-l ${long.slice(2)}`].filter(Boolean)
  return [...flags, ...(value ? [valueFlags(value, true)] : [])].join(' ')
}

function valueFlags({ kind, choices }: Value, isOption: boolean): string {
  const exclusive = isOption ? '-x ' : ''
  switch (kind) {
    case 'file':
      return isOption ? '-r -F' : '-F'
    case 'interface':
      return `${exclusive}-a '(__ringtap_interfaces)'`
    case 'program':
      return `${exclusive}-a '(__fish_complete_command)'`
    case 'choice':
      return `${exclusive}-a ${quoted(choices.join(' '))}`
    case 'other':
      return isOption ? '-x' : ''
  }
}
