"""What people do in the panel, one journey after the other; later ones use what earlier ones made."""

import re
from datetime import datetime, timedelta, timezone

from playwright.sync_api import expect

from desk import eventually


def signs_in(desk):
    """A wrong token is refused, the right one is kept where scripts don't find it."""
    with desk.visitor() as page:
        page.goto(desk.url)
        expect(page).to_have_url(f"{desk.url}/panel/sign-in")
        page.get_by_label("API token").fill("pht_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("not known here")
        # By keyboard alone: the field has the focus, and Enter sends it.
        page.goto(f"{desk.url}/panel/")
        expect(page.get_by_label("API token")).to_be_focused()
        page.keyboard.type(desk.given["admin"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        expect(page.locator("#organisation")).to_have_text(desk.given["organisation"])
        expect(page.locator("#role")).to_have_text("admin")
        assert desk.given["admin"] not in page.url
        stored = "[document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)]"
        assert page.evaluate(stored) == ["", "{}", "{}"]
        (cookie,) = page.context.cookies()
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict", cookie
        page.get_by_role("button", name="Sign out").click()
        desk.go(page, "/configs")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def makes_a_webhook(desk):
    """A webhook is made with the form: the secret is shown once, a test shows request and response."""
    with desk.visitor("admin") as page:
        page.get_by_role("link", name="Make the first one").click()
        page.get_by_label("URL").fill("nonsense://")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("url: must")
        page.get_by_label("URL").fill(desk.given["receiver"])
        page.get_by_label("Description").fill("The warehouse")
        page.get_by_label("Headers").fill("X-Team: blue\nAuthorization: Bearer of-the-warehouse")
        page.get_by_label("Find an event").fill("reward-claim")
        page.get_by_role("checkbox", name=re.compile("^reward-claim")).check()
        page.get_by_label("Only these reward ids for reward-claim").fill("r1 r2")
        page.get_by_label("Other names and patterns").fill("order.*")
        page.get_by_label("Preset").select_option("standard-webhooks")
        expect(page.locator("#timetable")).to_contain_text("10 attempts")
        page.get_by_label("Retries at most").fill("0")
        expect(page.locator("#timetable")).to_contain_text("1 attempt, and no retry")
        page.get_by_label("Time-out in ms").fill("5000")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#secret")).to_have_text(re.compile("^whsec_"))
        secret = page.locator("#secret").text_content()
        page.get_by_role("link", name="I have kept it").click()
        expect(page.get_by_role("heading", name=desk.given["receiver"])).to_be_visible()
        for shown in ["order.*", "only of r1 r2", "X-Team: blue", "Authorization: Bearer ***"]:
            expect(page.locator(".settings")).to_contain_text(shown)
        assert secret not in page.content()
        assert "of-the-warehouse" not in page.content()
        desk.config = page.url.rsplit("/", 1)[1]

        page.get_by_role("link", name="Send a test").click()
        page.get_by_label("Payload, in JSON").fill('{"hello": "<b>you</b>"}')
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#outcome")).to_contain_text("It failed")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#outcome")).to_contain_text("answered 500")
        expect(page.get_by_role("region", name="Response")).to_contain_text("noted")
        expect(page.get_by_role("region", name="Request")).to_contain_text("x-team")


def retries_a_failure(desk):
    """A failure appears while the log is open; its retry succeeds and appears too, all without a reload."""
    with desk.visitor("admin") as page:
        desk.go(page, "/logs")
        page.evaluate("window.isTheSame = true")
        rows = page.locator("#rows tr")
        before = rows.count()
        desk.send("order.placed", "evt-browser-1")
        failed = rows.filter(has_text="order.placed")
        expect(failed).to_have_count(1)
        expect(failed).to_contain_text("failed")
        expect(failed).to_contain_text("500")
        failed.get_by_role("button", name="Retry").click()
        expect(page.locator("#said")).to_contain_text("on its way")
        done = rows.filter(has_text="order.placed").filter(has_text="succeeded")
        expect(done).to_have_count(1)
        expect(done).to_contain_text("manual")
        expect(rows).to_have_count(before + 2)
        assert page.evaluate("window.isTheSame") is True

        done.get_by_role("link").first.click()
        timeline = page.get_by_role("list", name="Timeline of the delivery")
        expect(timeline).to_contain_text("attempt 1")
        expect(timeline).to_contain_text("Answered 500")
        expect(timeline).to_contain_text("later")
        expect(timeline).to_contain_text("attempt 2")
        expect(page.locator("#request-body")).to_contain_text('"id": "evt-browser-1"')
        expect(page.locator("#response-body")).to_have_text("noted")
        assert page.locator("#curl").text_content().startswith("curl -i -X 'POST' 'http")
        assert "of-the-warehouse" not in page.content()
        trace = page.locator("#trace").get_attribute("href")
        assert re.fullmatch(r"https://traces\.example/trace/[0-9a-f]{32}", trace), trace


def filters_the_log(desk):
    """The log is filtered by what is asked for, and says what to do when nothing is like it."""
    with desk.visitor("admin") as page:
        desk.go(page, "/logs")
        page.get_by_label("Event", exact=True).fill("order.placed")
        page.get_by_label("Result").select_option("failed")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("#rows tr")).to_have_count(1)
        expect(page.get_by_label("Event", exact=True)).to_have_value("order.placed")
        page.get_by_label("Status").fill("204")
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("#rows")).to_contain_text("Widen the filter")
        page.get_by_label("Status").fill("teapot")
        page.get_by_role("button", name="Filter").click()
        expect(page.get_by_role("alert")).to_contain_text("responseStatus: must be a number")


def retries_dead_letters(desk):
    """What was given up is retried all at once, after its number is confirmed."""
    for n in range(3):
        desk.send("order.lost", f"evt-lost-{n}")
    with desk.visitor("admin") as page:
        def found():
            desk.go(page, "/dead-letters?eventSubCategory=order.lost")
            return page.locator("tbody tr").count() == 3
        eventually("three dead letters", found)
        page.get_by_role("link", name="Retry all of these").click()
        expect(page.locator("#count")).to_have_text("3")
        page.get_by_role("button", name="Retry 3").click()
        expect(page.get_by_role("status")).to_contain_text("3 are being sent again.")
        desk.go(page, "/logs?eventSubCategory=order.lost&success=true")
        expect(page.locator("#rows tr").filter(has_text="succeeded")).to_have_count(3)
        page.get_by_role("link", name="Retry all of these that were given up").click()
        expect(page.get_by_text("there is nothing to do")).to_be_visible()


def deletes_a_dead_letter(desk):
    """One that nobody wants any more is deleted, after confirmation."""
    desk.send("order.unwanted", "evt-unwanted")
    with desk.visitor("admin") as page:
        def found():
            desk.go(page, "/dead-letters?eventSubCategory=order.unwanted")
            return page.get_by_role("link", name="Delete evt-unwanted").count() == 1
        eventually("the dead letter", found)
        page.get_by_role("link", name="Delete evt-unwanted").click()
        page.get_by_role("button", name="Delete the dead letter").click()
        expect(page.get_by_role("status")).to_contain_text("Deleted")
        desk.go(page, "/dead-letters?eventSubCategory=order.unwanted")
        expect(page.get_by_text("No dead letter is like this")).to_be_visible()


def minds_a_webhook(desk):
    """A webhook is changed, paused, resumed, its secret rotated, and one is deleted after confirmation."""
    with desk.visitor("admin") as page:
        desk.go(page, f"/configs/{desk.config}")
        page.get_by_role("link", name="Change", exact=True).click()
        expect(page.get_by_label("Headers")).to_have_value(re.compile(r"Authorization: Bearer \*\*\*"))
        expect(page.get_by_label("Other names and patterns")).to_have_value("order.*")
        page.get_by_label("Description").fill("The new warehouse")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved")
        expect(page.get_by_text("The new warehouse")).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#state")).to_have_text("paused")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#state")).to_have_text("enabled")
        page.get_by_role("link", name="Rotate the secret").click()
        page.get_by_role("button", name="Rotate").click()
        expect(page.locator("#secret")).to_have_text(re.compile("^whsec_"))
        expect(page.get_by_text("The old secret signs on until")).to_be_visible()

        body = [{"url": f"{desk.given['healthy']}/passing", "events": ["*"], "isEnabled": True}]
        passing = desk.api("admin", "/webhooks/configs", body, "PUT")[0]["id"]
        desk.go(page, f"/configs/{passing}")
        page.get_by_role("link", name="Delete").click()
        page.get_by_role("button", name="Delete the webhook").click()
        expect(page.get_by_role("status")).to_contain_text("Deleted")
        assert desk.go(page, f"/configs/{passing}").status == 404
        expect(page.get_by_role("alert")).to_contain_text("no such webhook config")


def replays(desk):
    """A replay to a webhook that came later shows its progress until it is done."""
    body = [{"url": desk.given["healthy"], "events": ["order.*"], "isEnabled": True}]
    desk.healthy = desk.api("admin", "/webhooks/configs", body, "PUT")[0]["id"]
    with desk.visitor("admin") as page:
        desk.go(page, "/replays")
        page.get_by_label("Webhook", exact=True).select_option(desk.given["healthy"])
        page.get_by_label("What").select_option("all")
        page.get_by_label("From (UTC)").fill("tomorrow")
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("alert")).to_contain_text("from: must be an RFC 3339 time")
        yesterday = datetime.now(timezone.utc) - timedelta(days=1)
        page.get_by_label("From (UTC)").fill(yesterday.strftime("%Y-%m-%dT%H:%M"))
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("status")).to_contain_text("has begun")
        expect(page.locator("tbody tr .badge")).to_have_text("done")
        expect(page.locator("tbody tr")).to_contain_text("5 sent")


def keeps_the_catalogue(desk):
    """An event type is made with a schema, changed, and deleted."""
    with desk.visitor("admin") as page:
        desk.go(page, "/event-types")
        expect(page.get_by_role("heading", name="reward", exact=True)).to_be_visible()
        page.get_by_label("Name", exact=True).fill("parcel.sent")
        page.get_by_label("Category", exact=True).fill("parcel")
        page.get_by_label("JSON Schema of the payload").fill("{")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("schema: must be JSON")
        page.get_by_label("JSON Schema of the payload").fill('{"type": "object"}')
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved")
        page.get_by_label("Description", exact=True).fill("A parcel is on its way.")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_label("Description", exact=True)).to_have_value("A parcel is on its way.")
        page.get_by_role("link", name="Delete").click()
        page.get_by_role("button", name="Delete the event type").click()
        expect(page.get_by_role("status")).to_contain_text("Deleted")


def revokes_a_token(desk):
    """A token is made, shown once, signs somebody in, and is revoked, which signs them out."""
    with desk.visitor("admin") as page:
        desk.go(page, "/tokens")
        page.get_by_label("Name", exact=True).fill("A guest")
        page.get_by_label("Role").select_option("viewer")
        page.get_by_role("button", name="Make the token").click()
        desk.given["guest"] = page.locator("#token").text_content()
        with desk.visitor("guest") as guest:
            expect(guest.locator("#role")).to_have_text("viewer")
            desk.go(page, "/tokens")
            assert desk.given["guest"] not in page.content()
            page.get_by_role("link", name="Revoke A guest").click()
            page.get_by_role("button", name="Revoke the token").click()
            expect(page.get_by_role("status")).to_contain_text("revoked")
            # The overview renews itself, and so notices by itself.
            expect(guest.get_by_role("heading", name="Sign in")).to_be_visible()
            desk.go(guest, "/configs")
            expect(guest.get_by_role("heading", name="Sign in")).to_be_visible()


def respects_roles(desk):
    """A viewer is shown what a viewer may see; an operator picks the organisation."""
    with desk.visitor("viewer") as page:
        links = page.get_by_role("navigation", name="Sections").get_by_role("link")
        expect(links).to_have_text(["Overview", "Webhooks", "Event types"])
        for path in ["/logs", "/dead-letters", "/tokens", "/configs/new", f"/configs/{desk.config}/edit"]:
            assert desk.go(page, path).status == 403, path
            expect(page.get_by_text("Ask an admin of your organisation")).to_be_visible()
        desk.go(page, f"/configs/{desk.config}")
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        assert page.goto(f"{desk.url}/panel/o/globex/").status == 404
    with desk.visitor("producer") as page:
        expect(page.get_by_role("heading", name="Your token may not do this")).to_be_visible()
    with desk.visitor("operator") as page:
        page.get_by_role("link", name=desk.given["organisation"]).click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        desk.go(page, "/logs")
        expect(page.locator("#rows tr").first).to_contain_text("succeeded")


def works_without_scripts(desk):
    """Without scripts pages are forms and links, and do the same."""
    with desk.visitor("admin", java_script_enabled=False) as page:
        desk.send("order.plain", "evt-plain")
        def failed():
            desk.go(page, "/logs?eventSubCategory=order.plain")
            return page.locator("#rows tr").filter(has_text="failed").count() == 1
        eventually("the failure is in the log", failed)
        page.get_by_role("button", name="Retry order.plain").first.click()
        expect(page.get_by_role("status")).to_contain_text("on its way")
        desk.go(page, f"/configs/{desk.healthy}")
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#state")).to_have_text("paused")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#state")).to_have_text("enabled")


ALL = [
    signs_in,
    makes_a_webhook,
    retries_a_failure,
    filters_the_log,
    retries_dead_letters,
    deletes_a_dead_letter,
    minds_a_webhook,
    replays,
    keeps_the_catalogue,
    revokes_a_token,
    respects_roles,
    works_without_scripts,
]
