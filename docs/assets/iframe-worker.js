// Browsers start no worker on a page that was opened from a file, so Material hides the
// search there. This worker runs its script in a hidden frame of the page instead.
// Material's plugin `offline` loads it: it asks for a file of this name.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      const load = (source) =>
        new Promise((resolve, reject) => {
          const script = this.inside.document.createElement("script");
          script.onload = resolve;
          script.onerror = () => reject(new Error(`Cannot load ${source}`));
          script.src = source;
          this.inside.document.body.append(script);
        });
      this.inside.importScripts = (...sources) =>
        sources.reduce((last, source) => last.then(() => load(source)), Promise.resolve());
      this.inside.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }));
      this.loaded = load(new URL(url, location));
    }

    postMessage(data) {
      this.loaded.then(() =>
        this.inside.dispatchEvent(new MessageEvent("message", { data }))
      );
    }

    terminate() {
      this.inside.frameElement.remove();
    }
  };
}
