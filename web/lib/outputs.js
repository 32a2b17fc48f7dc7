// Hearing what nodes leave for the editor: when they ran, when a workflow with results is opened again, and the pictures of a
// running job. Nothing happens on import.
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { executionId, outputKey, placeOf, places } from "./graph.js";

/** Parts of an extension that call `show(node, output)` for nodes of some classes (`isOurs(class name)`). */
export function outputHooks(isOurs, show) {
  const again = (node, outputs) => {
    const place = placeOf(node);
    const output = place && outputs?.[outputKey(place)];
    if (output) show(node, output);
  };
  return {
    beforeRegisterNodeDef(nodeType, nodeData) {
      if (!isOurs(nodeData.name)) return;
      const executed = nodeType.prototype.onExecuted;
      nodeType.prototype.onExecuted = function (output, ...more) {
        executed?.call(this, output, ...more);
        if (output) show(this, output);
      };
    },
    loadedGraphNode(node) {
      if (isOurs(node.comfyClass)) again(node, app.nodeOutputs);
    },
    onNodeOutputsUpdated(outputs) {
      for (const { node } of places((each) => isOurs(each.comfyClass))) again(node, outputs);
    },
  };
}

/** Calls `picture(id, blob)` for each picture of a running node, by its execution id, and `ended()` when a job ends. */
export function watchJobs({ picture, ended }) {
  api.addEventListener("b_preview_with_metadata", ({ detail }) => {
    picture(String(detail.displayNodeId ?? detail.nodeId), detail.blob);
  });
  for (const type of ["execution_success", "execution_error", "execution_interrupted"]) {
    api.addEventListener(type, () => ended());
  }
}

/** Whether the server means a node by an execution id. */
export const isNode = (node, id) => places((each) => each === node).some((place) => executionId(place) === id);
