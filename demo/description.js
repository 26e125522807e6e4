// Reads the description of an exported model, which may be damaged or of another
// version, as `keras_patchdpm_edge/folder.py` does.

const NAME = "patchdpm.json";
const FORMAT = "keras_patchdpm.export";
const VERSION = 1;

// The content of `patchdpm.json` in a folder, whose address ends in "/".
export async function read(folder) {
  const answer = await fetch(folder + NAME);
  if (!answer.ok) {
    throw new Error(
      `There is no ${NAME} in the folder ${folder}. Put a folder there that ` +
        "`python -m keras_patchdpm export --format onnx` wrote, or run " +
        `demo/build.py again. Received: status ${answer.status}.`,
    );
  }
  let description;
  try {
    description = await answer.json();
  } catch (error) {
    throw new Error(damaged(folder), { cause: error });
  }
  const { format, version, runtime } = description ?? {};
  if (format === undefined || version === undefined) throw new Error(damaged(folder));
  if (format !== FORMAT || version !== VERSION) {
    throw new Error(
      `${folder}${NAME} has another format. This page reads ${FORMAT} ${VERSION}: ` +
        "export the model again with the keras_patchdpm of this page, or use the page " +
        `of the export. Received: ${format} ${version}.`,
    );
  }
  if (runtime !== "onnx") {
    throw new Error(
      "The page needs a model for ONNX Runtime. Export it with `--format onnx`. " +
        `Received: ${runtime}.`,
    );
  }
  return description;
}

function damaged(folder) {
  return (
    `${folder}${NAME} is not the description of an exported model, or is damaged. ` +
    "Copy or export the folder again."
  );
}
