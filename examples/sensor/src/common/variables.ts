/** Single variables of the environment: how each form is read, and what a wrong one is told. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export type Environment = Readonly<Record<string, string | undefined>>

/** One mistake in the configuration: a variable, and what is wrong with its value. */
export interface Mistake {
  readonly variable: string
  readonly message: string
}

/** The value of a variable; a variable that contains nothing but white space is not set. */
export function settingOf(environment: Environment, name: string): string | undefined {
  return environment[name]?.trim() || undefined
}

/** A value that may be given in a file, whose path is in `NAME_FILE`; throws an Error without the variable's name. */
export function secretOf(environment: Environment, name: string): string | undefined {
  const value = settingOf(environment, name)
  const path = settingOf(environment, `${name}_FILE`)
  if (path === undefined) return value
  if (value !== undefined) throw new Error(`is set, and ${name}_FILE too: set one of them`)
  const content = readFileSync(path, 'utf8').trim()
  if (content === '') throw new Error(`the file of ${name}_FILE is empty`)
  return content
}

/** A whole number. */
export function integer(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^-?\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message)
}

const units: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
/** Digits, and a unit as powers of 1024. */
const bytesForm = /^(\d{1,15})\s*(?:([kmgt])i?)?b?$/i

/** A number of bytes: `65536`, `64k`, `1 GiB`. */
export function bytes(min: number) {
  return z
    .string()
    .regex(bytesForm, 'must be a number of bytes, such as 500000000, 64M or 2GiB')
    .transform((text) => {
      const [, digits, unit] = bytesForm.exec(text) ?? []
      return Number(digits) * (units[(unit ?? '').toLowerCase()] ?? 1)
    })
    .refine((value) => value >= min && value <= 2 ** 50, `must be at least ${min} bytes, at most 2^50`)
}

/** `true` or `1`, `false` or `0`, and their like. */
export const flag = z
  .string()
  .regex(/^(true|false|yes|no|on|off|1|0)$/i, 'must be true or false')
  .transform((text) => /^(true|yes|on|1)$/i.test(text))

export function choice<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: `must be one of ${words.join(', ')}` })
}

/** Words separated by white space. */
export const words = z
  .string()
  .transform((text) => text.split(/\s+/))
  .default([])
