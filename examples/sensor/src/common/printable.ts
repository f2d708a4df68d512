/** Control characters, line separators, characters that change the direction of text, and lone surrogates. */
const unprintable = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/**
 * The text with each unprintable character as an escape such as `\x1b`, and backslashes doubled. Names of interfaces and
 * texts from the network may contain any character: unescaped, they could control a terminal or forge a log line.
 */
export function printable(text: string): string {
  return text.replaceAll('\\', '\\\\').replace(unprintable, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
}
