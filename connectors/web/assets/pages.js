// What the pages do more easily with script: times in the viewer's zone, parts that renew themselves, advice while
// a letter is written, formatting buttons, a warning before a letter is lost, and keys. All else works without.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Times are written by the server in UTC. A date is written anew at once, the exact time when it is pointed at.
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
function localTimes(root) {
	for (const t of all("time[data-day]", root)) {
		const at = new Date(t.dateTime);
		if (at.getFullYear() === new Date().getFullYear()) t.textContent = day.format(at);
	}
}
addEventListener("pointerover", e => {
	const t = e.target.closest?.("time[datetime]");
	if (t) t.title = exact.format(new Date(t.dateTime));
});

// signedOut leads to the sign-in when the session has ended meanwhile; where something was typed, it says so instead.
function signedOut() {
	if (unsaved) document.querySelector("[data-signed-out]").hidden = false;
	else location.reload();
}

// fill puts a part of a page, as the server renders it, in the place of the old one.
async function fill(part, url, init = {}) {
	const answer = await fetch(url, { ...init, headers: { "Inmail-Part": part.dataset.part } });
	if (answer.redirected) return signedOut();
	if (!answer.ok) return;
	const text = await answer.text();
	if (text === part.was) return;
	const opened = all("details", part).map(d => d.open);
	const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
	part.innerHTML = part.was = text;
	all("details", part).forEach((d, i) => d.open = opened[i] ?? d.open);
	if (focused) all("a", part).find(a => a.getAttribute("href") === focused)?.focus();
	localTimes(part);
}

for (const part of all("[data-every]")) {
	setInterval(() => { if (!document.hidden) fill(part, location.href).catch(() => {}); }, 1000 * part.dataset.every);
}

// A letter is judged while it is written: half a second after the last key.
for (const form of all("form[data-live]")) {
	const part = document.querySelector("[data-part=check]");
	let wait;
	const look = () => fill(part, form.dataset.live, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => {});
	part.addEventListener("click", e => {
		const pick = e.target.closest("[name=pick]");
		if (!pick) return;
		e.preventDefault();
		form.elements.to.value = pick.value;
		look();
	});
	form.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(look, 500); });
	all("[data-plain]", form).forEach(b => b.hidden = true);

	// A letter carries no files; one that is dropped or pasted is refused as the rules say, and goes nowhere.
	const attached = e => {
		if (!(e.dataTransfer ?? e.clipboardData)?.files.length) return;
		e.preventDefault();
		form.elements.attached.value = "1";
		look();
		form.elements.attached.value = "";
	};
	form.addEventListener("drop", attached);
	form.addEventListener("paste", attached);
	form.addEventListener("dragover", e => e.preventDefault());
}

// What was typed and not sent is kept nowhere, so leaving warns.
let unsaved = false;
for (const form of all("form[data-unsaved]")) {
	form.addEventListener("input", () => unsaved = true);
	form.addEventListener("submit", () => {
		unsaved = false;
		all("button", form).forEach(b => setTimeout(() => b.disabled = true));
	});
}
addEventListener("beforeunload", e => { if (unsaved) e.preventDefault(); });
addEventListener("pageshow", () => all("form[data-unsaved] button").forEach(b => b.disabled = false));

// Formatting buttons put markers around what is selected.
for (const tools of all(".tools")) {
	const area = tools.parentElement.querySelector("textarea");
	tools.hidden = false;
	tools.addEventListener("click", e => {
		const b = e.target.closest("button");
		if (!b) return;
		const { selectionStart: from, selectionEnd: to, value } = area;
		const chosen = value.slice(from, to);
		let put;
		if (b.dataset.wrap) put = b.dataset.wrap + chosen + b.dataset.wrap;
		else if (b.dataset.line) put = (from === 0 || value[from - 1] === "\n" ? "" : "\n") + (chosen || "").split("\n").map(l => b.dataset.line + l).join("\n");
		else put = "[" + chosen + "](https://)";
		area.setRangeText(put, from, to, "end");
		if (!chosen && b.dataset.wrap) area.selectionStart = area.selectionEnd = from + b.dataset.wrap.length;
		area.focus();
		area.dispatchEvent(new Event("input", { bubbles: true }));
	});
}

// A file that is dropped on a list is read into it; it is not sent anywhere before the form is.
for (const area of all("textarea[data-drop]")) {
	area.addEventListener("dragover", e => e.preventDefault());
	area.addEventListener("drop", async e => {
		const file = e.dataTransfer.files[0];
		if (!file) return;
		e.preventDefault();
		area.value = await file.text();
		area.dispatchEvent(new Event("input", { bubbles: true }));
	});
}

// A rough count beside a reply; the server counts as the reader sees it.
for (const area of all("textarea[data-count]")) {
	const counter = area.form.querySelector("[data-counter]");
	area.addEventListener("input", () => {
		const n = [...area.value.normalize("NFC")].length;
		counter.textContent = n > 0.8 * area.dataset.count ? n.toLocaleString() : "";
	});
}

// Keys.
function step(by) {
	const links = all("[data-steps] a[href]");
	const at = links.findIndex(a => a === document.activeElement || a.ariaCurrent);
	links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
}
addEventListener("keydown", e => {
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, dialog[open]")) return;
	const keys = document.getElementById("keys");
	if (!keys) return;
	const nav = document.querySelector(`[data-key="${CSS.escape(e.key)}"]`);
	if (e.key === "?") keys.showModal();
	else if (e.key === "j") step(1);
	else if (e.key === "k") step(-1);
	else if (e.key === "e") document.activeElement.matches("[data-steps] a") && document.activeElement.click();
	else if (e.key === "/") document.querySelector("[data-search]")?.focus();
	else if (nav) nav.click();
	else return;
	e.preventDefault();
});

localTimes(document);
