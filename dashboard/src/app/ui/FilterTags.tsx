// The tags of a filter, as a text.
import { FilterInput } from "./FilterInput";

interface Props {
  label: string;
  value: readonly string[] | undefined;
  onChange: (tags: string[] | undefined) => void;
}

export function FilterTags({ label, value, onChange }: Props) {
  return <FilterInput label={`${label}, separated by commas`} placeholder="Tags" value={value?.join(", ") ?? ""} onChange={(text) => onChange(tagsOf(text))} />;
}

function tagsOf(text: string): string[] | undefined {
  const tags = text.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "");
  return tags.length === 0 ? undefined : tags;
}
