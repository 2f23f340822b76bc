// What the navigation of a phone has no room for.
import { Dialog } from "../ui/Dialog";
import { Choices } from "./Choices";
import { Destination, OtherPages } from "./links";
import { useAdministration } from "./navigation";
import { Viewer } from "./Viewer";

export function MoreSheet({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="More" onClose={onClose} className="sheet">
      <ul>
        {useAdministration().map((destination) => (
          <Destination key={destination.to} {...destination} />
        ))}
      </ul>
      <Viewer />
      <Choices />
      <OtherPages />
    </Dialog>
  );
}
