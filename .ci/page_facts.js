// What `crawl_site.py` reads from a page that is open in the browser, by name.
(names) => {
  const facts = {
    // Addresses of links, with what they say.
    links: () => [...document.querySelectorAll("a[href]")].map((a) => [a.href, a.innerText.trim()]),
    ids: () => [...document.querySelectorAll("[id], a[name]")].map((one) => one.id || one.name),

    // Images without a text, or that did not load.
    images: () => [...document.querySelectorAll("article img")]
      .filter((image) => !image.alt.trim() || image.alt.startsWith("No description") ||
        !image.naturalWidth)
      .map((image) => image.src.slice(0, 80)),

    // Tables and equations that are wider than their place.
    wide: () => [...document.querySelectorAll("article :is(table, math)")]
      .filter((one) => {
        const box = one.closest(".md-typeset__scrollwrap, .equation") || one;
        return box.scrollWidth > box.clientWidth + 1 && box.clientWidth;
      })
      .map((one) => one.textContent.trim().slice(0, 50).replaceAll("\n", " ")),

    // Of those, the ones that the reader cannot scroll.
    cut: () => [...document.querySelectorAll("article :is(pre > code, table, math, img)")]
      .filter((one) => {
        const right = document.documentElement.clientWidth;
        if (one.getBoundingClientRect().right <= right && one.scrollWidth <= one.clientWidth + 1)
          return false;
        for (let up = one; up.tagName !== "ARTICLE"; up = up.parentElement) {
          if (["auto", "scroll"].includes(getComputedStyle(up).overflowX)) return false;
        }
        return true;
      })
      .map((one) => one.textContent.trim().slice(0, 50).replaceAll("\n", " ")),

    sideways: () => document.scrollingElement.scrollWidth - document.documentElement.clientWidth,

    // List items that begin with a dash, and Markdown that was not rendered.
    raw: () => [...document.querySelectorAll("article :is(li, p, td)")]
      .filter((one) => !one.querySelector("pre"))
      .map((one) => {
        const copy = one.cloneNode(true);
        const dash = copy.textContent.trim().startsWith("–") ? "no name: " : "";
        // In code, a backquote alone is Markdown that was not rendered.
        copy.querySelectorAll("code, math").forEach((code) =>
          code.replaceWith(/`/.test(code.textContent) ? "`" : ""));
        return dash + copy.textContent.trim();
      })
      .filter((text) => /^no name: |`|\]\[|\]\(|\*\*[^*\d][^*]*\*\*/.test(text))
      .map((text) => text.slice(0, 60).replaceAll("\n", " ")),

    // Sections of docstrings that the renderer does not know: it shows a box to unfold.
    boxes: () => [...document.querySelectorAll("article details > summary")]
      .map((one) => one.textContent),

    // What the copy button copies of examples with prompts.
    prompts: () => [...document.querySelectorAll("article pre > code")]
      .filter((code) => code.querySelector(".gp"))
      .map((code) => {
        code.setAttribute("data-md-copying", "");
        const text = code.innerText;
        code.removeAttribute("data-md-copying");
        return text;
      })
      .filter((text) => text.includes(">>>")),

    scheme: () => document.body.dataset.mdColorScheme,

    // Text that is too faint on its background: contrast below 3 (WCAG 2, large text).
    faint: () => {
      const channel = (value) =>
        (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
      const parse = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
      const light = ([red, green, blue]) =>
        0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
      const behind = (one) => {
        for (; one; one = one.parentElement) {
          const colour = parse(getComputedStyle(one).backgroundColor);
          if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
      };
      return [...document.querySelectorAll("article :is(p, li, td, th, code, h2, h3, a)")]
        .filter((one) => {
          const colour = parse(getComputedStyle(one).color), ground = behind(one);
          const alpha = colour.length === 4 ? colour[3] : 1;
          const mixed = ground.map((part, i) => alpha * colour[i] + (1 - alpha) * part);
          const [low, high] = [light(mixed), light(ground)].sort((a, b) => a - b);
          return one.textContent.trim() && (high + 0.05) / (low + 0.05) < 3 &&
            !one.classList.contains("headerlink");
        })
        .map((one) => `${one.tagName} ${one.textContent.trim().slice(0, 40)}`);
    },
  };
  return Object.fromEntries(names.map((name) => [name, facts[name]()]));
}
