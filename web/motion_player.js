// A looping video of what a node made, the curves of the motions behind it, and one scrubber for both. While the node runs,
// its pictures are shown in the video's place.
import { app } from "../../scripts/app.js";
import { keepEvents, style } from "./lib/dom.js";
import { passToCanvas } from "./lib/graph.js";
import { addWidget, inGraph } from "./lib/mounts.js";
import { isNode, outputHooks, watchJobs } from "./lib/outputs.js";
import { PLAYER_CSS, Player } from "./lib/player.js";
import { say } from "./lib/words.js";

const NODES = {
  TroupePlotMotion: () => say("Run to see the motion."),
  TroupeWarpRender: () => say("Run to see the picture act."),
  TroupeHalloRender: () => say("Run to see the picture speak."),
  TroupeBodyMaps: () => say("Run to see the body move."),
};
const WIDTH = 320;
const HEIGHT = 340;

const players = new Set(); // the nodes that have one
const isOurs = (name) => name in NODES;

/** The player shows the pictures of a running node: the editor need not show them again below. */
function hidePictures(node) {
  node.hideOutputImages = true;
  node.onDrawBackground = () => {}; // where the classic editor draws them; Nodes 2.0 obeys the style sheet
}

const hooks = outputHooks(isOurs, (node, output) => node.troupePlayer?.show(output));

app.registerExtension({
  name: "Troupe.MotionPlayer",
  ...hooks,

  setup() {
    style("troupe-player", PLAYER_CSS);
    watchJobs({
      picture(id, blob) {
        for (const node of players) if (isNode(node, id)) node.troupePlayer.live(blob);
      },
      ended() {
        for (const node of players) node.troupePlayer.settle();
      },
    });
  },

  nodeCreated(node) {
    if (!isOurs(node.comfyClass)) return;
    const player = (node.troupePlayer = new Player(NODES[node.comfyClass]()));
    keepEvents(player.root, ["pointerdown", "contextmenu", "dblclick"]);
    passToCanvas(player.root);
    addWidget(node, "preview", "troupe_player", player.root, { hideOnZoom: false, getMinHeight: () => HEIGHT });
    hidePictures(node);
    for (const each of players) if (!inGraph(each)) players.delete(each);
    players.add(node);
    const [width, height] = node.computeSize();
    node.setSize([Math.max(node.size[0], width, WIDTH), Math.max(node.size[1], height)]);
  },
});
