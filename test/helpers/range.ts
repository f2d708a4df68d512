/** The whole numbers from `from` up to `to`, which is not among them. */
export function range(from: number, to: number, step = 1): number[] {
  return Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step)
}
