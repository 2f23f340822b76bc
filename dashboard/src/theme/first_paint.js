// Applies the theme that the reader has chosen before anything is painted, so that the other one does not flash up.
document.documentElement.dataset.theme = localStorage.getItem("duetime:theme") ?? "system";
