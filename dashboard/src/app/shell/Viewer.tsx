// Whose key the page uses, and the way to use another one.
import { keepKey } from "../../key/storage";
import { useViewer } from "../api/viewer";

export function Viewer() {
  const viewer = useViewer();
  if (viewer === undefined || !viewer.keysRequired) {
    return null;
  }
  return (
    <p className="viewer">
      <span title={`A key with the scope ${viewer.scope.toLowerCase()}`}>
        Key <strong>{viewer.keyName}</strong>
      </span>
      <button
        type="button"
        className="link"
        onClick={() => {
          keepKey(null);
          // Connections under the key end with the page.
          window.location.reload();
        }}
      >
        Forget it
      </button>
    </p>
  );
}
