// What the reading room does better with script than without: it searches as one
// types, goes on where a list ends, knows keys, and sees how a verify goes. All
// text comes as HTML that the server escaped, from the same pages as without.
"use strict";

(() => {
	const find = (selector) => document.querySelector(selector);

	// ---- search as one types ----

	const box = find("#q");
	const found = find("#found");
	let asked = 0;

	async function part(url) {
		const to = new URL(url, location.href);
		to.searchParams.set("only", "list");
		const answer = await fetch(to, { redirect: "error" });
		if (!answer.ok)
			throw new Error(String(answer.status));
		return answer.text();
	}

	function tell(text) {
		const told = find("#told");
		if (told)
			told.textContent = text;
	}

	// A word that is still being typed is the beginning of one.
	function begun(words) {
		const last = words.match(/(^|\s)-?((from|to|subject|body|file):)?[\p{L}\p{N}]{3,}$/u);
		const quotes = (words.match(/"/g) || []).length;
		return last && quotes % 2 === 0 && !/(^|\s)OR$/.test(words)
			? words + "*" : words;
	}

	function address(words) {
		return words ? "/mail?q=" + encodeURIComponent(words) : "/mail";
	}

	async function search(typing) {
		const turn = ++asked;
		const words = box.value.trim();
		const ends = box.value !== box.value.trimEnd();
		const url = address(words);
		found.classList.add("busy");
		try {
			const html = await part(typing && !ends
				? address(begun(words)) : url);
			if (turn !== asked)
				return;
			found.innerHTML = html;
			history.replaceState(null, "", url);
			const count = found.querySelectorAll(".row").length;
			const more = found.querySelector("#older");
			tell(words ? (more ? "More than " : "") + count + " found" : "");
			watch();
			keep();
		} catch (why) {
			if (turn === asked)
				tell("The search failed: " + why.message);
		} finally {
			if (turn === asked)
				found.classList.remove("busy");
		}
	}

	if (box && found) {
		let timer = 0;
		box.addEventListener("input", () => {
			clearTimeout(timer);
			timer = setTimeout(search, 120, true);
		});
		find("#search").addEventListener("submit", (event) => {
			event.preventDefault();
			clearTimeout(timer);
			search(false);
		});
	}

	// ---- a list without an end ----

	async function extend(link) {
		const line = link.closest("li");
		if (line.dataset.busy)
			return;
		line.dataset.busy = "1";
		try {
			const page = document.createElement("template");
			page.innerHTML = await part(link.href);
			if (!line.isConnected)
				return;
			const rows = page.content.querySelectorAll("#list > li");
			const focused = document.activeElement === link;
			line.replaceWith(...rows);
			if (focused && rows.length)
				rows[0].querySelector("a").focus();
			watch();
			keep();
		} catch (why) {
			delete line.dataset.busy;
		}
	}

	const seen = "IntersectionObserver" in window
		? new IntersectionObserver((entries) => {
			for (const entry of entries)
				if (entry.isIntersecting) {
					seen.unobserve(entry.target);
					extend(entry.target);
				}
		}, { rootMargin: "600px" })
		: null;

	function watch() {
		const link = find("#older");
		if (link && seen) {
			seen.observe(link);
			link.addEventListener("click", (event) => {
				event.preventDefault();
				extend(link);
			});
		}
	}

	// ---- where one was, for j, k and u in a message ----

	function keep() {
		if (!found)
			return;
		const rows = [...found.querySelectorAll(".row")];
		try {
			sessionStorage.setItem("list", JSON.stringify(
				rows.slice(-2000).map((row) => row.getAttribute("href"))));
			sessionStorage.setItem("from", location.pathname + location.search);
		} catch (why) {
			// A full or forbidden storage: the keys know less.
		}
	}

	function kept(name) {
		try {
			return sessionStorage.getItem(name);
		} catch (why) {
			return null;
		}
	}

	function neighbour(step) {
		const list = JSON.parse(kept("list") || "[]");
		const at = list.indexOf(location.pathname);
		return at === -1 ? undefined : list[at + step];
	}

	const up = find("#up");
	if (up && kept("from"))
		up.href = kept("from");

	// ---- keys ----

	const keys = {
		"j": "Next message", "k": "The one before", "o": "Open",
		"u": "Back to the list", "/": "Search", "h": "Text or HTML",
		"g": "Overview", "m": "Mail", "?": "These keys",
	};

	function step(way) {
		const rows = [...document.querySelectorAll(".row")];
		if (find("article")) {
			const to = neighbour(way);
			if (to)
				location.assign(to + (way && location.search));
			return;
		}
		if (!rows.length)
			return;
		const at = rows.indexOf(document.activeElement);
		const to = at === -1 ? 0 : Math.min(rows.length - 1, Math.max(0, at + way));
		rows[to].focus();
		rows[to].scrollIntoView({ block: "nearest" });
	}

	function help() {
		let dialog = find("#help");
		if (!dialog) {
			dialog = document.createElement("dialog");
			dialog.id = "help";
			dialog.setAttribute("aria-label", "Keys");
			const list = document.createElement("dl");
			for (const [key, what] of Object.entries(keys)) {
				const name = document.createElement("dt");
				const mark = document.createElement("kbd");
				const about = document.createElement("dd");
				mark.textContent = key;
				about.textContent = what;
				name.append(mark);
				list.append(name, about);
			}
			const close = document.createElement("button");
			close.className = "quiet";
			close.textContent = "Close";
			close.addEventListener("click", () => dialog.close());
			dialog.append(list, close);
			document.body.append(dialog);
		}
		if (!dialog.open)
			dialog.showModal();
	}

	function follow(selector) {
		const link = find(selector);
		if (link)
			link.click();
	}

	const acts = {
		"j": () => step(1),
		"k": () => step(-1),
		"o": () => document.activeElement.matches(".row") &&
			document.activeElement.click(),
		"u": () => follow("#up"),
		"h": () => follow("#other"),
		"g": () => location.assign("/"),
		"m": () => location.assign("/mail"),
		"/": () => box ? (box.focus(), box.select()) : location.assign("/mail#q"),
		"?": help,
	};

	document.addEventListener("keydown", (event) => {
		const to = event.target;
		if (event.key === "Escape" && to === box)
			box.blur();
		if (event.ctrlKey || event.metaKey || event.altKey ||
		    to.matches("input, textarea, select") || !acts[event.key])
			return;
		event.preventDefault();
		acts[event.key]();
	});

	const button = find("#keys");
	if (button) {
		button.hidden = false;
		button.addEventListener("click", help);
	}
	if (location.hash === "#q" && box)
		box.focus();

	// ---- how a verify goes ----

	async function poll() {
		const answer = await fetch("/verify.json", { redirect: "error" });
		const state = await answer.json();
		if (!state.running) {
			location.reload();
			return;
		}
		find("#progress").value = state.percent;
		find("#percent").textContent = state.percent + " %, " +
			state.faults + (state.faults === 1 ? " fault" : " faults");
	}

	if (find("#running"))
		setInterval(() => poll().catch(() => {}), 700);

	watch();
	keep();
})();
