// What a node has to say of its last run, in the node: figures, warnings, where a file went.
import { app } from "../../scripts/app.js";
import { keepEvents, style } from "./lib/dom.js";
import { passToCanvas } from "./lib/graph.js";
import { addWidget } from "./lib/mounts.js";
import { outputHooks } from "./lib/outputs.js";
import { REPORT_CSS, Report } from "./lib/report_view.js";
import { say } from "./lib/words.js";

const WIDTH = 320;
const MARGIN = 20; // pixels above and below a DOM widget that the classic editor takes from its height
// Nodes with a `ui` text, and what their reports say before there is one.
const NODES = {
  TroupeSyncCheck: () => say("Run to compare frame rates and lengths."),
  TroupeMeasureMotion: () => say("Run to judge the motion."),
  TroupeSaveMotion: () => say("Run to write the file."),
  TroupeExportLiveLink: () => say("Run to play the motion to the other program."),
  TroupeAlignText: () => say("Run to see how much of the text is said."),
  TroupeJoinWindows: () => say("Run to see what drifted."),
  TroupePlaceFaces: () => say("Run to see what was placed."),
  TroupeReplaceFaces: () => say("Run to see what was replaced."),
  TroupeHalloRender: () => say("Run to see what was made."),
};
const isOurs = (name) => name in NODES;

/** Makes room for the whole report, if the node is too small for it. */
function fit(node) {
  const [width, height] = node.computeSize();
  const wide = Math.max(node.size[0], width, WIDTH);
  if (wide > node.size[0] || height > node.size[1]) node.setSize([wide, Math.max(node.size[1], height)]);
  node.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "Troupe.Report",
  ...outputHooks(isOurs, (node, output) => output.text && node.troupeReport?.show([output.text].flat().join("\n"))),

  setup() {
    style("troupe-report", REPORT_CSS);
  },

  nodeCreated(node) {
    if (!isOurs(node.comfyClass)) return;
    const report = (node.troupeReport = new Report(NODES[node.comfyClass](), () => fit(node)));
    keepEvents(report.root, ["pointerdown", "contextmenu", "dblclick"]);
    passToCanvas(report.root);
    addWidget(node, "shown_report", "troupe_report", report.root, {
      hideOnZoom: false, getMinHeight: () => report.height(node.size[0]) + MARGIN,
    });
    fit(node);
  },
});
