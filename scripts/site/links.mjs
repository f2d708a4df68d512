// Checks the pages of the site: every link leads to a page and an anchor of the site, and nothing is loaded from elsewhere.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

const unescaped = (text) =>
  text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/&#x([\da-f]+);/gi, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replace(/&amp;/g, '&')

/** The tags of a page with their attributes, without what is in scripts. */
export function tagsOf(html) {
  const visible = html.replace(/<!--[\s\S]*?-->/g, '').replace(/(<script\b[^>]*>)[\s\S]*?(?=<\/script>)/g, '$1')
  return [...visible.matchAll(/<([a-z][\w-]*)((?:\s+[\w:-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+))?)*)\s*\/?>/gi)].map(
    ([, name, attributes]) => ({
      name: name.toLowerCase(),
      attributes: Object.fromEntries(
        [...attributes.matchAll(/([\w:-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g)].map(
          ([, key, double, single, bare]) => [key.toLowerCase(), unescaped(double ?? single ?? bare ?? '')],
        ),
      ),
    }),
  )
}

/** Where the tags of a page lead: links that a reader follows, and files that the browser loads. */
function targetsOf(tags) {
  return tags.flatMap(({ name, attributes: { href, src, srcset, rel } }) => [
    ...(href === undefined ? [] : [{ target: href, loaded: name === 'link' && rel !== 'canonical' }]),
    ...(src === undefined ? [] : [{ target: src, loaded: true }]),
    ...(srcset ?? '')
      .split(',')
      .map((part) => part.trim().split(/\s/)[0])
      .filter(Boolean)
      .map((target) => ({ target, loaded: true })),
  ])
}

/**
 * One line per fault of the site in `folder`: dead links and anchors, links to folders and to the root of a server, and
 * files of other hosts that a page, a style sheet or a script would load.
 */
export function siteFaults(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => statSync(path.join(folder, name)).isFile())
  const read = (name) => readFileSync(path.join(folder, name), 'utf8')
  const pages = new Map(files.filter((name) => name.endsWith('.html')).map((name) => [name, tagsOf(read(name))]))
  const anchors = new Map()
  for (const [page, tags] of pages)
    anchors.set(page, new Set(tags.flatMap(({ attributes: { id, name } }) => [id, name]).filter(Boolean)))
  const faults = []
  for (const [page, tags] of pages) {
    for (const { target, loaded } of targetsOf(tags)) {
      if (/^(https?:)?\/\//.test(target)) {
        if (loaded) faults.push(`${page} loads ${target}`)
        continue
      }
      if (/^(mailto|data):/.test(target)) continue
      const [file, anchor] = target.split('#')
      const linked =
        file === '' ? page : path.posix.join(path.posix.dirname(page), decodeURI(file.replace(/\?.*$/, '')))
      if (/^[a-z]+:|^\//.test(target) || !files.includes(linked)) faults.push(`${page} leads to ${target}`)
      else if (anchor && pages.has(linked) && !anchors.get(linked).has(decodeURIComponent(anchor)))
        faults.push(`${page} leads to ${target}: there is no such heading`)
    }
  }
  for (const name of files.filter((file) => file.endsWith('.css')))
    for (const [, target] of read(name).matchAll(/(?:url\(\s*["']?|@import\s+["'])((?:https?:)?\/\/[^"')\s]+)/g))
      faults.push(`${name} loads ${target}`)
  if (!existsSync(path.join(folder, 'index.html'))) faults.push('there is no index.html')
  return faults
}
