// A menu behind a button.
import * as Radix from "@radix-ui/react-dropdown-menu";
import type { ReactNode } from "react";

import { Icon, type IconName } from "./icons";

/** A button, `trigger`, that opens a menu with the items in `children`. */
export function Menu({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    // A modal menu would write styles into the page, which its policy forbids.
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="menu" align="end" sideOffset={4} collisionPadding={8}>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ItemProps {
  icon: IconName;
  onSelect: () => void;
  children: ReactNode;
  danger?: boolean;
}

/** An action in a menu. */
export function MenuItem({ icon, onSelect, children, danger = false }: ItemProps) {
  return (
    <Radix.Item className={`menu-item${danger ? " menu-item-danger" : ""}`} onSelect={onSelect}>
      <Icon name={icon} />
      {children}
    </Radix.Item>
  );
}

export const MenuSeparator = () => <Radix.Separator className="menu-separator" />;
