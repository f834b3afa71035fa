// Makes a program's output inert: control characters are replaced by their pictures, as on the server.
"use strict";
const inert = (() => {
  const ACTING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
  const picture = (char) => {
    const code = char.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  };
  return (text) => text.replace(ACTING, picture);
})();
