// Makes the pages more comfortable. Everything works without it: the server decides.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byID = (id) => document.getElementById(id);

  // Times in the reader's own zone.
  const format = (dateStyle) => new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle, timeStyle: "short" });
  const long = format("long"), inTables = format("medium");
  for (const time of all("time")) time.textContent = (time.closest("td") ? inTables : long).format(new Date(time.dateTime));

  // What a password is made of: the same as internal/policy, which is tested against this script.
  const rules = {
    prepare: (raw) => raw.replace(/[\uFE0E\uFE0F]/gu, "").replace(/\p{Zs}/gu, " ").normalize("NFC"),
    count(text) {
      const c = { length: 0, uppercase: 0, lowercase: 0, digits: 0, symbols: 0, caseless: 0, repeated: 0 };
      let last = "", run = 0; // The longest run of one code point is what is repeated.
      for (const r of text) {
        run = r === last ? run + 1 : 1;
        last = r;
        c.repeated = Math.max(c.repeated, run);
        c.length++;
        if (/[\p{Lu}\p{Lt}]/u.test(r)) c.uppercase++;
        else if (/\p{Ll}/u.test(r)) c.lowercase++;
        else if (/\p{L}/u.test(r)) c.caseless++;
        else if (/\p{Nd}/u.test(r)) c.digits++;
        else if (!/[\p{M}\p{Cf}]/u.test(r)) c.symbols++;
      }
      c.classes = [c.uppercase, c.lowercase, c.digits, c.symbols, c.caseless].filter((n) => n > 0).length;
      return c;
    },
    // One code point at a time, to one code point: never ß to SS.
    fold: (text) => [...text].map((r) => {
      const up = r.toUpperCase(), one = [...up].length === 1 ? up : r, low = one.toLowerCase();
      return [...low][0];
    }).join(""),
    squash: (text) => text.replace(/[^\p{L}\p{M}\p{Nd}]/gu, ""),
    bareWord(text) {
      const bare = text.replace(/^[^\p{L}\p{M}]+|[^\p{L}\p{M}]+$/gu, "");
      return rules.squash([...text].length - [...bare].length > 8 ? text : bare);
    },
    repeatedUnit(text) {
      const r = [...text];
      for (let n = 1; 2 * n <= r.length; n++) {
        if (r.every((c, i) => c === r[i % n])) return r.slice(0, n).join("");
      }
      return text;
    },
    // The letters that a digit or a symbol is commonly written for.
    standsFor: { "4": "a", "@": "a", "8": "b", "(": "c", "{": "c", "[": "c", "<": "c", "3": "e", "€": "e", "6": "g", "9": "g", "1": "il", "!": "il",
      "|": "il", "0": "o", "5": "s", "$": "s", "7": "tl", "+": "t", "%": "x", "2": "z" },
    // Whether a text is a word under at most 8 digits and symbols: for letters, around the word, symbols between letters.
    isDecorated(text, word) {
      const r = [...text], w = [...word], max = 8;
      const isDecoration = (c) => /[^\p{L}\p{M}]/u.test(c), isDigit = (c) => /\p{Nd}/u.test(c);
      const isWord = (start, at, stripped, substituted) => {
        const said = r.slice(start, at);
        let rest = at, digits = r.slice(0, start).some(isDigit);
        while (rest < r.length) {
          if (said.every((c, i) => c === r[rest + i])) { rest += said.length; continue; }
          if (!isDecoration(r[rest]) || stripped + substituted === max) return false;
          digits ||= isDigit(r[rest]);
          rest++;
          stripped++;
        }
        return 2 * substituted <= w.length && (!digits || said.filter((c) => /\p{L}/u.test(c)).length >= 2);
      };
      const find = (start, at, next, stripped, substituted) => {
        if (next === w.length && isWord(start, at, stripped, substituted)) return true;
        if (at === r.length) return false;
        if (r[at] === w[next] && find(start, at + 1, next + 1, stripped, substituted)) return true;
        if (stripped + substituted === max) return false;
        if (rules.standsFor[r[at]]?.includes(w[next]) && find(start, at + 1, next + 1, stripped, substituted + 1)) return true;
        return next > 0 && rules.squash(r[at]) === "" && find(start, at + 1, next, stripped + 1, substituted);
      };
      for (let start = 0; start <= max; start++) {
        if (find(start, start, 0, start, 0)) return true;
        if (start === r.length || !isDecoration(r[start])) return false;
      }
      return false;
    },
    isAccountWord(text, words) {
      const folded = rules.fold(text), own = new Set();
      const add = (word) => {
        const unit = rules.repeatedUnit(word);
        own.add(unit).add([...unit].reverse().join(""));
      };
      for (const raw of words) {
        const word = rules.fold(raw.normalize("NFC")), whole = rules.squash(word), bare = rules.bareWord(word);
        if ([...whole].length < 3) continue;
        add(whole);
        if ([...bare].length >= 3) add(bare);
      }
      const unit = rules.repeatedUnit(folded);
      return own.has(rules.repeatedUnit(rules.squash(folded))) || own.has(rules.repeatedUnit(rules.bareWord(folded))) ||
        [...own].some((word) => [...word].length >= 3 && rules.isDecorated(unit, word));
    },
    // Whether a rule is met: true, false, or undefined where only the server knows.
    met(rule, n, bytes, text, c, words) {
      switch (rule) {
        case "minLength": return c.length >= n;
        case "maxLength": return c.length <= n && (!bytes || new TextEncoder().encode(text).length <= bytes);
        case "uppercase": case "lowercase": case "digits": case "symbols": return c[rule] >= n;
        case "characterClasses": return c.classes >= n;
        case "maxRepeated": return c.repeated <= n;
        case "accountWords": return !rules.isAccountWord(text, words);
      }
      return undefined;
    },
  };

  // Show and hide passwords.
  for (const button of all(".reveal button")) {
    const input = byID(button.getAttribute("aria-controls"));
    button.hidden = false;
    const show = (shown) => {
      input.type = shown ? "text" : "password";
      button.textContent = shown ? button.dataset.hide : button.dataset.show;
      button.setAttribute("aria-label", shown ? button.dataset.hideLabel : button.dataset.showLabel);
    };
    button.addEventListener("click", () => show(input.type === "password"));
    // A password manager shall not take it for a text, and nobody read it over a shoulder.
    if (input.form) input.form.addEventListener("submit", () => show(false));
  }

  // What a tab keeps: nothing, where the browser is told to keep nothing.
  const kept = {
    take(key) {
      try {
        const value = JSON.parse(sessionStorage.getItem(key));
        sessionStorage.removeItem(key);
        return value;
      } catch { return null; }
    },
    put(key, value) {
      try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* it is typed again */ }
    },
  };

  // The username goes along to the change page, in this tab and for one step: it may be another than the one remembered.
  const carried = "keyturn-username", change = byID("change"), username = byID("username"), organization = byID("organization");
  if (change) change.addEventListener("click", () => kept.put(carried, [username.value, organization?.value]));

  const form = byID("change-form");
  if (form) {
    const [name, of] = kept.take(carried) || [];
    if (name && form.dataset.own === undefined) {
      username.value = name;
      if (organization && of) organization.value = of;
    }
    judge(form, nameIn);
  }

  // A reset is for an account that cannot be edited: its own words are all known.
  const reset = byID("reset-form");
  if (reset) judge(reset, null);

  // A name as the server takes it: without the spaces and invisible marks around it.
  function nameIn(input) { return input.value.replace(/^[\s\u0085\p{Cf}]+|[\s\u0085\p{Cf}]+$/gu, ""); }

  // Marks the requirements while somebody types. named reads the account from the form's fields; null where it is fixed.
  function judge(form, named) {
    const current = byID("current-password"), next = byID("new-password"), save = byID("save"), summary = byID("summary");
    const items = all("#requirements li"), given = JSON.parse(form.elements.words?.value || "[]");
    const mark = (item, name, state) => {
      item.className = name;
      item.querySelector(".state").textContent = state;
    };
    const advice = byID("advice"), of = form.elements.organization, ofThese = of?.defaultValue;
    let touched = false;
    // Own rules and words are of the account that they came for. The words of another are not known here.
    const isOwn = () => !named || form.dataset.own !== undefined && form.dataset.own === named(username) &&
      form.dataset.ownOrganization === named(of);
    // What a rule says: true, false, or undefined where only the server knows.
    const decide = (item, password, counts, own) => {
      const words = [...(named ? [named(username), named(of)] : []), ...(own ? given : [])];
      const result = rules.met(item.dataset.rule, Number(item.dataset.n), Number(item.dataset.bytes), password, counts, words);
      return item.dataset.rule === "accountWords" && result && !own ? undefined : result;
    };
    const judgeNow = () => {
      touched ||= next.value !== "";
      const own = isOwn(), password = rules.prepare(next.value), counts = rules.count(password);
      if (named) {
        advice.hidden = own;
        advice.textContent = named(of) !== ofThese ? advice.dataset.other :
          form.dataset.own === undefined ? advice.dataset.general : advice.dataset.account;
      }
      let met = 0, decided = 0;
      for (const item of items) {
        const result = decide(item, password, counts, own);
        if (result !== undefined) decided++;
        if (result && password) met++;
        if (!touched) {
          // What the server has marked stays; the rest is neither met nor not met.
          if (!item.className && result !== undefined) mark(item, "", "");
        } else if (result === undefined) {
          mark(item, "", summary.dataset.saving); // what the server said was of another password
        } else {
          const good = result && password !== "";
          mark(item, good ? "met" : "unmet", good ? summary.dataset.met : summary.dataset.unmet);
        }
      }
      const said = summary.dataset.text.replace("{met}", met).replace("{all}", decided);
      if (next.value && summary.textContent !== said) summary.textContent = said;
      const filled = next.value && (!named || named(username) && current.value && named(of));
      save.disabled = !filled || own && met < decided;
    };
    // Some password managers tell of what they fill in by one of these only.
    for (const event of ["input", "change"]) form.addEventListener(event, judgeNow);
    // Password managers fill in without an event in some browsers, and a page that comes back from memory has its fields.
    window.addEventListener("pageshow", judgeNow);
    judgeNow();
  }

  // A dialog takes the keyboard.
  const dialog = document.querySelector("dialog");
  if (dialog) {
    dialog.close();
    dialog.showModal();
    (dialog.querySelector("[aria-invalid=true]") || dialog.querySelector("input:not([type=hidden]):not([readonly])"))?.focus();
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      dialog.querySelector("a").click();
    });
    // Otherwise, to load again what came of a form would send the form again.
    if (dialog.dataset.address) history.replaceState(null, "", dialog.dataset.address);
  }

  // A list that comes back from memory was searched for what its fields had at first.
  const filter = document.querySelector(".filter");
  if (filter) window.addEventListener("pageshow", (event) => { if (event.persisted) filter.reset(); });

  // A menu closes when somebody turns to something else. Of the menus of a list, the browser keeps one open at most.
  for (const menu of all("details.menu")) {
    const close = () => { menu.open = false; };
    menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) close(); });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      close();
      menu.querySelector("summary").focus();
    });
    document.addEventListener("click", (event) => { if (!menu.contains(event.target)) close(); });
  }

  // Copying what is shown for that.
  const copy = byID("copy"), copied = byID("copied"), once = byID("generated");
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    copy.focus();
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(once.textContent);
        copy.textContent = copied.textContent = copy.dataset.copied;
      } catch { getSelection().selectAllChildren(once); }
    });
  }
  // A password that is shown once is not there again on the way back through the browser's history.
  if (once?.dataset.once !== undefined) window.addEventListener("pagehide", () => once.remove());

  // After a dialog focus goes to what came of it, or back to what opened it.
  const after = byID("notice") || location.hash && byID(location.hash.slice(1));

  // Focus goes to the first error, or to the first empty field. To a field that is wrong the browser takes it by itself.
  const wrong = document.querySelector("[aria-invalid=true]") || byID("alert");
  if (!dialog && !wrong?.autofocus) (wrong || after || all("main input:not([type=hidden]):not([type=checkbox]):not([readonly])").find((input) => !input.value))?.focus();

  globalThis.keyturnRules = rules; // for the test that compares it with the server
})();
