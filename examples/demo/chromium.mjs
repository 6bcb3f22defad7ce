/** Chromium without a window, as the demonstration and the tests open it. */
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Starts it: the one that is named, or that `CHROMIUM` names, or Debian's. @param {string} [executablePath] */
export function launchChromium(executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium") {
  return chromium.launch({ executablePath, args: FLAGS });
}
