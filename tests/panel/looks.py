"""How pages look and sound: no serious fault of accessibility, dark and light, on a phone; and their pictures."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

PHONE = {"viewport": {"width": 360, "height": 740}}
# Pictures of the README have at most this many bytes.
PICTURE_MAX_BYTES = 150 * 1024


def pages(desk):
    """The paths of all pages."""
    log = desk.api("admin", "/webhooks/logs?eventSubCategory=order.placed&success=true")["edges"][0]
    delivery = desk.api("admin", "/webhooks/deliveries?limit=1")["edges"][0]
    letter = desk.api("admin", "/webhooks/dead-letters?limit=1")["edges"][0]
    token = desk.api("admin", "/tokens")[0]["id"]
    return [
        "/",
        "/configs",
        "/configs/new",
        f"/configs/{desk.config}",
        f"/configs/{desk.config}/edit",
        f"/configs/{desk.config}/test",
        f"/configs/{desk.config}/rotate",
        f"/configs/{desk.config}/delete",
        "/logs",
        f"/logs/{log['id']}",
        f"/deliveries/{delivery['id']}",
        "/dead-letters",
        f"/dead-letters/{letter['id']}/delete",
        "/dead-letters/all/retry",
        "/replays",
        "/event-types",
        "/event-types/reward-claim",
        "/event-types/reward-claim/delete",
        "/tokens",
        f"/tokens/{token}/delete",
        "/nothing/is/here",
    ]


def is_accessible(desk):
    """No page has a serious fault of accessibility, be it light or dark."""
    axe = Axe()
    for scheme in ["light", "dark"]:
        with desk.visitor("admin", color_scheme=scheme) as page:
            for path in pages(desk):
                desk.go(page, path)
                # The scanner is put in by the debugger, not by the page, so its policy stays as it is.
                found = axe.run(page).response["violations"]
                serious = [
                    (fault["id"], [node["html"][:200] for node in fault["nodes"]][:3])
                    for fault in found
                    if fault["impact"] in ("serious", "critical")
                ]
                assert not serious, f"{path}, {scheme}: {serious}"


def fits_a_phone(desk):
    """No page is wider than a phone; wide tables scroll by themselves."""
    with desk.visitor("admin", **PHONE) as page:
        for path in pages(desk):
            desk.go(page, path)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["viewport"]["width"], f"{path} is {width} wide"


def is_used_by_keyboard(desk):
    """The keyboard reaches the content at once, and every field of a form has a name."""
    with desk.visitor("admin") as page:
        desk.go(page, "/logs")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to the content")
        page.keyboard.press("Enter")
        assert page.url.endswith("#content")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_attribute("id", "f-config")
        # What renews itself leaves the keyboard where it is.
        log = desk.api("admin", "/webhooks/logs?eventSubCategory=order.placed&success=true")["edges"][0]
        desk.go(page, f"/logs/{log['id']}")
        link = page.get_by_role("list", name="Timeline of the delivery").get_by_role("link").first
        link.focus()
        page.evaluate(
            "new Promise(done => document.addEventListener('htmx:after:swap', () => done(), {once: true}))"
        )
        expect(link).to_be_focused()


def take_screenshots(desk, folder):
    """Writes the pictures of the README."""
    folder.mkdir(parents=True, exist_ok=True)
    own = f"webhookConfigId={desk.config}&eventSubCategory=order.placed&success=true"
    log = desk.api("admin", f"/webhooks/logs?{own}")["edges"][0]
    wanted = [
        ("overview", "/", {}),
        ("webhook", f"/configs/{desk.config}", {}),
        ("logs", "/logs", {"color_scheme": "dark"}),
        ("attempt", f"/logs/{log['id']}", {}),
    ]
    for name, path, options in wanted:
        size = {"viewport": {"width": 1100, "height": 720}}
        with desk.visitor("admin", **size, **options) as page:
            desk.go(page, path)
            file = folder / f"{name}.png"
            page.screenshot(path=file)
            assert file.stat().st_size <= PICTURE_MAX_BYTES, f"{file} is too large"


ALL = [is_accessible, fits_a_phone, is_used_by_keyboard]
