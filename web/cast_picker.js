// The cast picker: on Detect Faces and Assign Role, the picture with numbered boxes, to choose faces by a click.
import { app } from "../../scripts/app.js";
import { DETECT, Findings, ROLE } from "./lib/cast.js";
import * as graph from "./lib/graph.js";
import { addWidget, inGraph } from "./lib/mounts.js";
import { Picker } from "./lib/picker.js";

const WIDTH = 320;
const MARGIN = 20; // pixels above and below a DOM widget that the classic editor takes from its height
const SOON = 40; // milliseconds: several changes at once are shown once

const findings = new Findings();
const pickers = new Set();
let due = null;

/** Shows the state of the graph in all pickers, soon. */
function refresh() {
  due ??= setTimeout(() => {
    due = null;
    for (const picker of pickers) {
      if (inGraph(picker.node)) picker.refresh().catch((error) => console.error("Troupe: the cast picker", error));
    }
  }, SOON);
}

/** Calls `more` after a method of an object, keeping the method. */
function after(object, method, more) {
  const before = object[method];
  object[method] = function (...given) {
    const result = before?.apply(this, given);
    more();
    return result;
  };
}

function addPicker(node) {
  const picker = new Picker(node, findings, refresh);
  addWidget(node, "cast_picker", "troupe_cast_picker", picker.element, {
    hideOnZoom: false,
    getMinHeight: () => picker.height() + MARGIN,
  });
  after(node, "onAdded", () => {
    pickers.add(picker);
    refresh();
  });
  after(node, "onRemoved", () => pickers.delete(picker));
  after(node, "onConnectionsChange", refresh);
  const face = node.widgets.find((each) => each.name === "face");
  if (face) after(face, "callback", refresh);
  node.setSize([Math.max(WIDTH, node.size[0]), Math.max(node.computeSize()[1], node.size[1])]);
}

/** The picker shows the picture: the editor need not show it again below. */
function hideOutputImages(node) {
  node.hideOutputImages = true;
  node.onDrawBackground = () => {};
  node.previewMediaType = "image"; // editors that show it all the same take it for a video, because of the input
}

app.registerExtension({
  name: "Troupe.CastPicker",
  setup() {
    graph.watch({
      executed: (id, output) => {
        findings.executed(id, output);
        refresh();
      },
      failed: (id, message) => {
        findings.failed(id, message);
        refresh();
      },
      ended: (detail) => {
        findings.ended(detail);
        refresh();
      },
      idle: () => {
        findings.idle();
        refresh();
      },
      changed: refresh,
    });
    graph.watchEntering(refresh);
  },
  nodeCreated(node) {
    const type = graph.classOf(node);
    if (type === DETECT) hideOutputImages(node);
    if (type === DETECT || type === ROLE) addPicker(node);
  },
  afterConfigureGraph: refresh,
});
