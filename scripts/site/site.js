// Draws the diagrams of a page, in the colours of the theme. Loads Mermaid only where there are some.
;(() => {
  const diagrams = [...document.querySelectorAll('pre.mermaid')].map((element) => ({
    element,
    source: element.textContent,
  }))
  if (diagrams.length === 0) return

  const system = matchMedia('(prefers-color-scheme: dark)')
  const isDark = () => {
    const { theme } = document.documentElement.dataset
    return theme === 'dark' || (theme !== 'light' && system.matches)
  }

  /** The width of a drawing at which its text has the size of the page's. */
  const widthOf = (svg) => Number(/viewBox="[-\d.]+ [-\d.]+ ([\d.]+)/.exec(svg)?.[1] ?? 0)

  async function drawing(id, source, room) {
    const { svg } = await mermaid.render(id, source)
    // A chart that is far wider than the column is drawn from top to bottom.
    if (widthOf(svg) <= 1.3 * room || !/^\s*flowchart LR/.test(source)) return svg
    const turned = source.replace(/^(\s*)flowchart LR/, '$1flowchart TB')
    return (await mermaid.render(id, turned)).svg
  }

  async function draw() {
    mermaid.initialize({
      startOnLoad: false,
      theme: isDark() ? 'dark' : 'neutral',
      fontFamily: 'inherit',
      flowchart: { useMaxWidth: false },
      sequence: { useMaxWidth: false },
      state: { useMaxWidth: false },
    })
    for (const [i, { element, source }] of diagrams.entries()) {
      element.innerHTML = await drawing(`diagram-${i}`, source, element.clientWidth)
      element.classList.add('drawn')
    }
  }
  let queue = Promise.resolve()
  const redraw = () => {
    queue = queue.then(draw)
  }

  const script = document.createElement('script')
  script.src = new URL('mermaid.js', document.currentScript.src).href
  script.onload = () => {
    redraw()
    system.addEventListener('change', redraw)
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ['data-theme'] })
  }
  document.head.append(script)
})()
