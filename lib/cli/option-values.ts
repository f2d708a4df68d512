// What options of several commands share: the parsers of their values, which throw what the command line answers with, and
// texts of the help.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseProcessors } from '../processors.js'

export const filterHelp = 'a filter as of tcpdump'
export const liveInterfaceHelp =
  'only this interface, or, if none has this name, those that match it as an expression (egrep); may be repeated'
export const savedInterfaceHelp = 'only interfaces that match this expression (egrep); may be repeated'

/** Collects the values of an option that may be repeated. */
export const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value]

/** A parser of whole numbers from `low` on. */
export function wholeNumber(low: number) {
  return (text: string) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < low || !Number.isSafeInteger(value))
      throw new InvalidArgumentError(`It must be a whole number from ${low} on.`)
    return value
  }
}

/** A number above 0, such as 0.5. */
export function positiveNumber(text: string): number {
  const value = Number(text)
  if (!/^\d*\.?\d+$/.test(text) || !(value > 0)) throw new InvalidArgumentError('It must be a number above 0.')
  return value
}

/** Seconds between two tables, from a tenth to a day. */
export function intervalSeconds(text: string): number {
  const value = positiveNumber(text)
  if (value < 0.1 || value > 86_400) throw new InvalidArgumentError('It must be from 0.1 to 86400 seconds.')
  return value
}

/** A list of processors as the kernel writes it, or the word auto. */
export function processorList(text: string): number[] | 'auto' {
  if (text === 'auto') return text
  const list = parseProcessors(text)
  if (list === undefined || list.length === 0)
    throw new InvalidArgumentError('It must be numbers of processors, such as 0-3,8, or auto.')
  return list
}

/** A share of a whole: `1/8` or `0.125`. */
export function share(text: string): number {
  const [, count, of] = /^(\d+)\/(\d+)$/.exec(text) ?? []
  const value = count === undefined ? Number(text) : Number(count) / Number(of)
  const form = count !== undefined || /^(\d+(\.\d*)?|\.\d+)$/.test(text)
  if (!form || !(value > 0 && value <= 1)) throw new InvalidArgumentError('It must be a share up to 1: 1/8, or 0.125.')
  return value
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  KiB: 2 ** 10,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
}

/** A number of bytes: `10kB`, `64KiB`, `1500`. */
export function byteSize(text: string): number {
  const [, count, unit] = /^(\d+) ?([A-Za-z]*)$/.exec(text) ?? []
  const value = Number(count) * (units[unit ?? ''] ?? Number.NaN)
  if (!(value >= 1) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('It must be a number of bytes: 1500, 10kB, 64KiB, 2MB.')
  return value
}

/** How packets are cut: a word, or a number of bytes. */
export function sliceValue(text: string): 'headers' | 'l4' | number {
  if (text === 'headers' || text === 'l4') return text
  if (!/^[1-9]\d*$/.test(text) || Number(text) > 262_144)
    throw new InvalidArgumentError('It must be headers, l4, or a number of bytes up to 262144.')
  return Number(text)
}

/** An option without a value that may be repeated; its value is how often. */
export function counted(command: Command, flags: string, name: string, description: string): void {
  const option = new Option(flags, description)
  command.addOption(option)
  command.setOptionValue(name, 0)
  command.on(`option:${option.name()}`, () => {
    const before = command.getOptionValue(`${name}#`) ?? 0
    command.setOptionValue(`${name}#`, before + 1)
    command.setOptionValue(name, before + 1)
  })
}
