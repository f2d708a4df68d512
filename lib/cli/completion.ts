import { Command } from 'commander'
import { bashCompletion } from './completion-bash.js'
import { fishCompletion } from './completion-fish.js'
import { zshCompletion } from './completion-zsh.js'
import { write } from './output.js'
import { type CommandSurface, surfaceOf } from './surface.js'

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }
export type Shell = keyof typeof shells
export const shellNames = Object.keys(shells) as Shell[]

/** The completion script for a shell. */
export function completionScript(shell: Shell, commands: readonly CommandSurface[]): string {
  return shells[shell](commands)
}

/** `ringtap completion SHELL`: prints the script. */
export async function completionCommand(shell: Shell, _options: unknown, command: Command): Promise<void> {
  await write(completionScript(shell, surfaceOf(command.parent ?? new Command())))
}
