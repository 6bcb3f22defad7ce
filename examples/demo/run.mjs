/** `make demo`, after the builds: runs the demonstration, and fails when it does. */
import { DemoError, demo } from "./demo.mjs";

try {
  await demo();
  console.log(`\nAll three did what they should (${(performance.now() / 1000).toFixed(1)} s).`);
} catch (error) {
  // The other errors are bugs of the demonstration: with their stack, which holds no value.
  console.error(error instanceof DemoError ? `\nThe demonstration failed. ${error.message}` : error);
  process.exitCode = 1;
}
