"""Drives the panel in Chromium: every journey, against a real installation that the caller has started.

Reads a JSON object from standard input: the addresses of the Admin API and ingest, tokens of each role, and two
receivers, one of which fails the first attempt of every event. With --screenshots FOLDER it also writes the
pictures of the README.
"""

import argparse
import json
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

import journeys
import looks
from desk import Desk

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--screenshots", type=Path)
    arguments = parser.parse_args()
    given = json.load(sys.stdin)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=ARGUMENTS)
        desk = Desk(browser, given)
        for journey in journeys.ALL + looks.ALL:
            print(f"panel: {journey.__doc__.splitlines()[0]}", flush=True)
            journey(desk)
        if arguments.screenshots:
            looks.take_screenshots(desk, arguments.screenshots)
        browser.close()


if __name__ == "__main__":
    main()
