"""By keyboard alone, in the dark, on a narrow screen, and with a screen reader's names."""

import pytest
from playwright.sync_api import expect

from tests.browser.steps import labels, open_page, show_dataset, show_pairs

FOCUSED = "() => document.activeElement.getAttribute('aria-label')"


CONTRAST = """selector => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, ground) =>
    ground.map((part, at) => part + (top[at] - part) * top[3] / 255).slice(0, 3);
  const luminance = colour => colour.map(each => each / 255)
    .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  return [...document.querySelectorAll(selector)]
    .filter(element => element.offsetParent && element.innerText.trim() && !element.disabled)
    .map(element => {
      const layers = [];
      for (let at = element; at; at = at.parentElement)
        layers.unshift(rgba(getComputedStyle(at).backgroundColor));
      const ground = layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
      const text = over(rgba(getComputedStyle(element).color), ground);
      const [low, high] = [luminance(text), luminance(ground)].sort((a, b) => a - b);
      return [Math.round((high + 0.05) / (low + 0.05) * 100) / 100, element.innerText];
    });
}"""
"""Contrast of each text to what is painted behind it (WCAG 2), with the text."""


def least_contrast(page, selector):
    found = page.evaluate(CONTRAST, selector)
    assert found
    return min(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_are_readable_and_the_ground_is_of_one_kind_in_both_themes(page, studio, theme):
    """Numbers on the middle blue of a matrix had a contrast of 2.4."""
    show_dataset(page, studio.url, __theme=theme)
    is_dark = page.evaluate("() => document.body.classList.contains('dark')")
    assert is_dark == (theme == "dark")
    seen = page.evaluate(
        """() => [...document.querySelectorAll('body, .page, .side, .main, .tools select')]
          .map(each => getComputedStyle(each).backgroundColor.match(/[\\d.]+/g).map(Number))
          .filter(colour => colour.length === 3 || colour[3] > 0)
          .map(([red, green, blue]) => (red + green + blue) / 3)"""
    )
    assert len(seen) >= 3
    assert max(seen) < 64 if theme == "dark" else min(seen) > 220
    page.locator(".tile").nth(3).click()
    expect(page.locator(".instance")).to_be_visible()
    parts = ("span", "b", "h1", "h2", "p", "small", "button", ".matrix button", ".matrix i")
    for part in parts:
        assert least_contrast(page, f".dataset-page {part}") >= [4.5, ""], part
    assert least_contrast(page, ".top-bar span, .top-bar select, .pages a") >= [4.5, ""]
    open_page(page, "Entangled pairs")
    page.wait_for_selector(".pairs-page .card img")
    for part in parts:
        assert least_contrast(page, f".pairs-page {part}") >= [4.5, ""], part


def test_grid_and_forms_are_reached_by_keyboard_alone_and_the_focus_can_be_seen(page, studio):
    show_dataset(page, studio.url)
    names = labels(page)
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == names[0]:
            break
    assert page.evaluate(FOCUSED) == names[0]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == names[1]
    expect(page.locator(".instance .id")).to_have_text(names[1].partition(",")[0])
    page.keyboard.press("ArrowDown")
    below = page.evaluate(FOCUSED)
    assert names.index(below) > 2
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(FOCUSED) == names[0]
    page.keyboard.press("Escape")
    expect(page.locator(".instance")).to_be_hidden()
    for selector in (".tile", "#dataset-next", "#dataset-import-open", "#header-dataset"):
        page.keyboard.press("Tab")
        page.focus(selector)
        ring = page.eval_on_selector(
            selector,
            "each => [each, each.parentElement].map(at => getComputedStyle(at))"
            ".map(style => style.outlineStyle + style.outlineWidth + style.boxShadow).join()",
        )
        assert "solid" in ring or "rgb" in ring, (selector, ring)
    page.click("#dataset-import-open")
    expect(page.locator("#import-source")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#dataset-import")).to_be_hidden()


def test_controls_have_names_and_arrows_in_a_matrix_walk_it_alone(page, studio):
    show_pairs(page, studio.url)
    for title in ("Dataset", "Entangled pairs"):
        open_page(page, title)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, a[href], select, input, textarea')]
              .filter(each => each.offsetParent && !each.closest('.drawer'))
              .filter(each => !(each.innerText || each.getAttribute('aria-label') || each.title
                || each.labels?.[0]?.innerText))
              .map(each => each.outerHTML.slice(0, 120))"""
        )
        assert nameless == []
    before = page.get_attribute(".pairs-page", "data-shown")
    page.locator(".pairs-page .matrix button").first.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(200)
    assert page.get_attribute(".pairs-page", "data-shown") == before
    cells = page.locator(".pairs-page .matrix button")
    assert cells.evaluate_all("all => all.filter(cell => cell.tabIndex === 0).length") == 1
    cells.first.focus()
    first = page.evaluate(FOCUSED)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) not in {first, None}
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator('.pairs-page .matrix [aria-selected="true"]')).not_to_have_count(0)


def test_no_page_is_wider_than_the_screen(page, studio):
    page.set_viewport_size({"width": 1024, "height": 768})
    show_dataset(page, studio.url)
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for width in (1024, 1366, 1920):
        page.set_viewport_size({"width": width, "height": 768})
        open_page(page, "Dataset")
        assert page.evaluate(wide) <= 0, width
        open_page(page, "Entangled pairs")
        page.wait_for_selector(".pairs-page .card img")
        assert page.evaluate(wide) <= 0, width
        box = page.locator("#pairs-next").bounding_box()
        assert box["y"] + box["height"] <= 768, width


def test_a_chosen_set_size_is_shown_with_its_count(page, studio):
    """The closed list showed "2 candidates · 5" for "2 candidates · 5,736"."""
    show_dataset(page, studio.url, dataset="sample", size="2")
    expect(page.locator("#dataset-size")).to_have_value("2")
    wide, text = page.eval_on_selector(
        "#dataset-size",
        """each => {
          const pen = document.createElement('canvas').getContext('2d');
          pen.font = getComputedStyle(each).font;
          const text = each.selectedOptions[0].textContent;
          return [each.clientWidth - pen.measureText(text).width, text];
        }""",
    )
    assert "," in text
    assert wide >= 30, text  # its padding and the arrow
