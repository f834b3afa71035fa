// Converts a program's output on one stream to lines of styled text, as a terminal of unlimited width shows them.
//
// Colors and weights (SGR), carriage returns, backspaces, tabs and erasing take effect. Other escape sequences are dropped
// (ECMA-48). Other control characters, and characters that change the direction of text, are shown by name. A character
// takes one column. The time is linear in the text: erasing costs as much as was written since the last erasing.
"use strict";
const Terminal = (() => {
  const MAX_SEQUENCE = 256, MAX_STRING = 4096, MAX_JOINED = 32;
  // A style is a number: two colors, each 1 to 16 or 0 for none, and flags.
  const BACKGROUND = 5, COLOUR = 31;
  const [BOLD, DIM, ITALIC, UNDERLINE, STRIKE, REVERSE, CONTROL] = [10, 11, 12, 13, 14, 15, 16].map((bit) => 1 << bit);
  const FLAGS = [[BOLD, "bold"], [DIM, "dim"], [ITALIC, "italic"], [UNDERLINE, "underlined"], [STRIKE, "struck"], [CONTROL, "control"]];
  const SWITCHES = {
    1: [BOLD, 0], 2: [DIM, 0], 3: [ITALIC, 0], 4: [UNDERLINE, 0], 7: [REVERSE, 0], 9: [STRIKE, 0], 21: [UNDERLINE, 0],
    22: [0, BOLD | DIM], 23: [0, ITALIC], 24: [0, UNDERLINE], 27: [0, REVERSE], 29: [0, STRIKE],
  };
  const ACTING = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
  const JOINING = /[\p{M}\u200c\u200d\u{1f3fb}-\u{1f3ff}]/u;
  const [TEXT, ESCAPE, INTERMEDIATE, CONTROL_SEQUENCE, STRING, STRING_END] = [0, 1, 2, 3, 4, 5];
  const CUBE = [0, 95, 135, 175, 215, 255];
  const GREYS = [[48, 0], [144, 8], [216, 7], [256, 15]];  // each applies below a brightness
  const HUES = [1, 3, 2, 6, 4, 5];  // red, yellow, green, cyan, blue, magenta

  // The nearest of the sixteen colors; pages have a shade of each for both themes.
  const nearest = (red, green, blue) => {
    const highest = Math.max(red, green, blue), range = highest - Math.min(red, green, blue);
    if (range * 5 <= highest) return GREYS.find(([bound]) => highest < bound)[1];
    const hue = highest === red ? (green - blue) / range : highest === green ? 2 + (blue - red) / range : 4 + (red - green) / range;
    return HUES[(Math.round(hue) + 6) % 6] + (highest > 191 ? 8 : 0);
  };

  const ofPalette = (number) => {
    if (number < 16) return number;
    if (number >= 232) return nearest(...Array(3).fill(8 + 10 * (number - 232)));
    const place = number - 16;
    return nearest(CUBE[Math.floor(place / 36)], CUBE[Math.floor(place / 6) % 6], CUBE[place % 6]);
  };

  const isByte = (number) => Number.isInteger(number) && number >= 0 && number < 256;

  // The color in a parameter 38 or 48, and the number of the following parameters that belong to it.
  const extended = (parts, next) => {
    const isOne = parts.length > 1;
    const [kind, ...values] = isOne ? parts.slice(1) : next.slice(0, 4);
    const taken = (count) => (isOne ? 0 : count);
    if (kind === 5) return [isByte(values[0]) ? ofPalette(values[0]) : null, taken(2)];
    if (kind !== 2) return [null, taken(1)];
    const mixed = isOne && values.length > 3 ? values.slice(1, 4) : values.slice(0, 3);
    return [mixed.length === 3 && mixed.every(isByte) ? nearest(...mixed) : null, taken(4)];
  };

  const withColour = (style, shift, number) => (style & ~(COLOUR << shift)) | (number << shift);

  const restyled = (style, parameters) => {
    const codes = parameters.split(";").map((part) => part.split(":").map(Number));
    for (let place = 0; place < codes.length; place += 1) {
      const [code] = codes[place], tens = Math.floor(code / 10), ones = code % 10;
      if (code === 4 && codes[place][1] === 0) style &= ~UNDERLINE;
      else if (code === 0) style = 0;
      else if (SWITCHES[code]) style = (style | SWITCHES[code][0]) & ~SWITCHES[code][1];
      else if (ones === 8 && tens >= 3 && tens <= 5) {
        const [colour, taken] = extended(codes[place], codes.slice(place + 1, place + 5).map(([number]) => number));
        if (colour !== null && tens < 5) style = withColour(style, tens === 3 ? 0 : BACKGROUND, colour + 1);
        place += taken;
      } else if (tens === 3 || tens === 4) {
        const shift = tens === 3 ? 0 : BACKGROUND;
        if (ones !== 8) style = withColour(style, shift, ones === 9 ? 0 : ones + 1);
      } else if ((tens === 9 || tens === 10) && ones < 8) style = withColour(style, tens === 9 ? 0 : BACKGROUND, ones + 9);
    }
    return style;
  };

  const name = (char) => {
    const code = char.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  };

  class Terminal {
    // A line longer than `maxColumns` continues in another one, with `continues` set.
    constructor(maxColumns = Infinity) {
      this.maxColumns = maxColumns;
      this.style = 0;
      this.state = TEXT;
      this.sequence = "";
      this.length = 0;
      this.lines = [];
      this.clear();
    }

    // The style after sequences with these parameters, starting from another style.
    static styled(parameters, style = 0) { return restyled(style, parameters); }

    // The class names of a style.
    static classes(style) {
      let text = style & COLOUR, behind = (style >> BACKGROUND) & COLOUR;
      const names = FLAGS.filter(([flag]) => style & flag).map(([, name]) => name);
      if (style & REVERSE) {
        [text, behind] = [behind, text];
        if (!text && !behind) names.push("reversed");
      }
      if (text) names.push(`fg-${text - 1}`);
      if (behind) names.push(`bg-${behind - 1}`);
      return names.join(" ");
    }

    // Takes the next part of the text.
    write(text) {
      for (let place = 0; place < text.length;) {
        if (this.state !== TEXT) { place = this.escape(text, place); continue; }
        ACTING.lastIndex = place;
        const found = ACTING.exec(text);
        const end = found ? found.index : text.length;
        if (end > place) this.print(text, place, end);
        place = end + 1;
        if (found) this.control(found[0]);
      }
    }

    // Removes and returns the complete lines: `{ text, runs, continues }`. A run is a place and the style from there on.
    take() { return this.lines.splice(0); }

    // The incomplete last line.
    get line() { return this.shown(); }

    get isAtStart() { return !this.cells.length && !this.continues; }

    // Ends the incomplete last line, if there is one.
    finish() {
      this.state = TEXT;
      if (!this.isAtStart) this.end(false);
    }

    clear() {
      this.cells = [];
      this.styles = [];
      this.column = 0;
      this.continues = false;
      [this.dirtyFrom, this.dirtyTo] = [Infinity, 0];
    }

    print(text, begin, end) {
      for (let place = begin; place < end;) {
        const char = text.charCodeAt(place) < 0xd800 ? text[place] : String.fromCodePoint(text.codePointAt(place));
        place += char.length;
        this.put(char, this.style);
      }
    }

    put(char, style) {
      const { cells } = this;
      if (char >= "\u0300" && this.column && this.joins(char)) { cells[this.column - 1] += char; return; }
      if (this.column >= this.maxColumns) this.end(true);
      const { column } = this;
      while (this.cells.length < column) this.fill(null);
      if (column === this.cells.length) { this.cells.push(char); this.styles.push(style); }
      else {
        if (this.cells[column] === "" || this.cells[column] === "\t") this.openTab(column);
        this.cells[column] = char;
        this.styles[column] = style;
      }
      if (column < this.dirtyFrom) this.dirtyFrom = column;
      if (column >= this.dirtyTo) this.dirtyTo = column + 1;
      this.column = column + 1;
    }

    // Whether a character combines with the one before it: an accent, or a part of an emoji.
    joins(char) {
      const before = this.cells[this.column - 1];
      return Boolean(before) && before.length < MAX_JOINED && (JOINING.test(char) || before.endsWith("\u200d"));
    }

    fill(cell) { this.cells.push(cell); this.styles.push(0); }

    // A tab at the end of a line stays a tab when it is copied; its other columns are empty.
    tab() {
      const end = (this.column | 7) + 1;
      if (this.column === this.cells.length && end <= this.maxColumns) {
        this.put("\t", this.style);
        while (this.cells.length < end) this.fill("");
        this.dirtyTo = Math.max(this.dirtyTo, end);
      }
      this.column = Math.min(end, this.maxColumns);
    }

    // Converts a tab to spaces before one of its columns is written.
    openTab(column) {
      let begin = column;
      while (begin > 0 && this.cells[begin] === "") begin -= 1;
      this.cells[begin] = " ";
      for (let next = begin + 1; this.cells[next] === ""; next += 1) this.cells[next] = " ";
    }

    control(char) {
      if (char === "\n") this.end(false);
      else if (char === "\r") this.column = 0;
      else if (char === "\b") this.column = Math.max(this.column - 1, 0);
      else if (char === "\t") this.tab();
      else if (char === "\u001b") this.enter(ESCAPE);
      else this.put(name(char), this.style | CONTROL);
    }

    enter(state) {
      this.state = state;
      this.sequence = "";
      this.length = 0;
    }

    // Reads one character of an escape sequence; returns the place to continue at. A character that belongs to none acts by
    // itself.
    escape(text, place) {
      const char = text[place], code = char.charCodeAt(0);
      this.length += 1;
      if (this.state === STRING) return this.string(char, place);
      if (char === "\u001b") this.enter(ESCAPE);
      else if (code === 0x18 || code === 0x1a) this.enter(TEXT);
      else if (code < 0x20 || code > 0x7e) { this.enter(TEXT); return place; }
      else if (this.state === STRING_END && char === "\\") this.enter(TEXT);
      else if (this.state === CONTROL_SEQUENCE) {
        if (code >= 0x40) this.act(char);
        else if (this.length <= MAX_SEQUENCE) this.sequence += char;
      } else if (code < 0x30) this.state = INTERMEDIATE;
      else if (this.state === INTERMEDIATE) this.enter(TEXT);
      else if (char === "[") this.enter(CONTROL_SEQUENCE);
      else if ("]PX^_".includes(char)) this.enter(STRING);
      else this.enter(TEXT);
      return place + 1;
    }

    // Reads a control string, such as a title or a link's URL. One that does not end is shown as text after a limit.
    string(char, place) {
      if (char === "\u001b") this.enter(STRING_END);
      else if (char === "\u0007" || char === "\u0018" || char === "\u001a") this.enter(TEXT);
      else if (char === "\n" || this.length > MAX_STRING) { this.enter(TEXT); return place; }
      return place + 1;
    }

    act(final) {
      const { sequence, length } = this;
      this.enter(TEXT);
      if (length > MAX_SEQUENCE || !/^[0-9;:]*$/.test(sequence)) return;
      if (final === "m") this.style = restyled(this.style, sequence);
      else if (final === "K") this.erase(Number(sequence || 0));
    }

    // Erases from the column on (0), up to it (1), or everything (2).
    erase(mode) {
      if (mode === 0) {
        if (this.column < this.cells.length) {
          if (this.cells[this.column] === "") this.openTab(this.column);
          this.cells.length = this.styles.length = this.column;
        }
        this.dirtyTo = Math.min(this.dirtyTo, this.column);
        if (this.dirtyFrom >= this.dirtyTo) [this.dirtyFrom, this.dirtyTo] = [Infinity, 0];
      } else if (mode === 1 || mode === 2) {
        const end = mode === 1 ? Math.min(this.column + 1, this.dirtyTo) : this.dirtyTo;
        if (mode === 1 && this.cells[end] === "") this.openTab(end);
        for (let place = this.dirtyFrom; place < end; place += 1) { this.cells[place] = null; this.styles[place] = 0; }
        this.dirtyFrom = end < this.dirtyTo ? Math.max(this.dirtyFrom, end) : Infinity;
        if (this.dirtyFrom === Infinity) this.dirtyTo = 0;
      }
    }

    end(continues) {
      this.lines.push(this.shown());
      this.clear();
      this.continues = continues;
    }

    shown() {
      const { cells, styles } = this;
      const runs = [];
      let length = cells.length, text = "", style = 0;
      while (length && cells[length - 1] === null) length -= 1;
      for (let place = 0; place < length; place += 1) {
        if (styles[place] !== style) runs.push([text.length, style = styles[place]]);
        text += cells[place] === null ? " " : cells[place];
      }
      return { text, runs, continues: this.continues };
    }
  }

  return Terminal;
})();
