// What sandboxed JavaScript forbids, found without running it: ES 5.1 with arrow functions, `let` and `const`, without
// `new` and `this`, and with no globals but `require` and `data`. A tokenizer, no parser: it is strict where it cannot
// tell.

const words = (text) => text.trim().split(/\s+/);

const TOKEN = new RegExp(
  [
    /(?<space>[\s\uFEFF]+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)/,
    /(?<text>'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*")/,
    /(?<template>`)/,
    /(?<number>(?:0[xX][\da-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)n?)/,
    /(?<name>[A-Za-z_$][\w$]*)/,
    // Signs of three and more, of two, of one.
    /(?<long>\.\.\.|\?\?=|\*\*=|\|\|=|&&=|>>>=|>>>|<<=|>>=|===|!==)/,
    /(?<double>=>|\?\.(?!\d)|\?\?|\*\*|==|!=|<=|>=|<<|>>|&&|\|\||\+\+|--|[-+*/%&|^]=)/,
    /(?<sign>[-+*/%&|^!~<>=?:;,.(){}[\]#@])/,
  ]
    .map((part) => part.source)
    .join('|'),
  'y',
);

/** Words of the language that may be used. */
const ALLOWED = new Set(
  words(`
    break case catch const continue default delete do else false finally for function if in let null
    return switch throw true try typeof var void while undefined
  `),
);
/** Those that may not. */
const FORBIDDEN = new Set(
  words(`
    new this class extends super async await yield import export with debugger instanceof enum eval
    arguments globalThis window document self
  `),
);
const MODERN = {
  '...': 'spread',
  '?.': 'optional chaining',
  '??': 'nullish coalescing',
  '??=': 'nullish coalescing',
  '**': 'exponentiation',
  '**=': 'exponentiation',
  '||=': 'logical assignment',
  '&&=': 'logical assignment',
  '#': 'a private name',
  '@': 'a decorator',
};

/** Methods of arrays, texts, numbers and objects that the sandbox has; what an API returns has its own. */
const METHODS = new Set(
  words(`
    concat every filter forEach indexOf join lastIndexOf map pop push reduce reduceRight reverse shift
    slice some sort splice unshift charAt match replace search split substring toLowerCase
    toLocaleLowerCase toLocaleUpperCase toUpperCase trim toString hasOwnProperty
  `),
);

const tokensOf = (code) => {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < code.length) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(code);
    const line = code.slice(0, at).split('\n').length;
    if (!found) return { tokens, fault: `line ${line}: ${code[at]} is not read` };
    const [kind, text] = Object.entries(found.groups).find(([, text]) => text !== undefined);
    if (kind === 'space') continue;
    const last = tokens.at(-1);
    // A slash is a division after a value only.
    const afterValue =
      last &&
      (last.kind === 'number' ||
        last.kind === 'text' ||
        (last.kind === 'name' && !/^(return|typeof|case|in|void|delete|throw|else|do)$/.test(last.text)) ||
        [')', ']', '}'].includes(last.text));
    if ((text === '/' || text === '/=') && !afterValue)
      return { tokens, fault: `line ${line}: a literal of a regular expression` };
    if (kind === 'template') return { tokens, fault: `line ${line}: a template literal` };
    tokens.push({ kind, text, line });
  }
  return { tokens };
};

/** Whether a brace begins the literal of an object. */
const beginsObject = (before) =>
  before &&
  (['=', '(', ',', ':', '[', '?', '&&', '||', '!', '=>'].includes(before.text)
    ? before.text !== '=>'
    : before.text === 'return');

/**
 * What is forbidden in `code`, each with its line. `globals` are the names that it may use without declaring them;
 * `methods` those that it may call beside the ones of the built-in types.
 */
export const faultsOf = (code, globals, methods = []) => {
  const { tokens, fault } = tokensOf(code);
  const faults = fault ? [fault] : [];
  const declared = new Set(globals);
  const braces = [];
  const say = (token, what) => faults.push(`line ${token.line}: ${what}`);
  const closes = (at) => {
    let depth = 0;
    for (let place = at; place < tokens.length; place++) {
      depth += ['(', '[', '{'].includes(tokens[place].text) - [')', ']', '}'].includes(tokens[place].text);
      if (depth === 0) return place;
    }
    return tokens.length - 1;
  };
  const parameters = (from, to) => {
    for (const token of tokens.slice(from + 1, to)) {
      if (token.kind === 'name') declared.add(token.text);
      else if (token.text === '=') say(token, 'a default of a parameter');
      else if (token.text === '{' || token.text === '[') say(token, 'destructuring');
    }
  };

  // What is declared, first: functions may be used before.
  tokens.forEach((token, at) => {
    const [next, after] = [tokens[at + 1], tokens[at + 2]];
    if (['const', 'let', 'var'].includes(token.text) && next) {
      if (next.kind === 'name') declared.add(next.text);
      else say(token, 'destructuring');
    }
    if (token.text === 'function') {
      if (next?.text === '*') say(token, 'a generator');
      const opens = next?.kind === 'name' ? at + 2 : at + 1;
      if (next?.kind === 'name') declared.add(next.text);
      if (tokens[opens]?.text === '(') parameters(opens, closes(opens));
    }
    if (token.text === 'catch' && next?.text === '(') parameters(at + 1, closes(at + 1));
    if (token.text === '(' && tokens[closes(at) + 1]?.text === '=>') parameters(at, closes(at));
    if (token.kind === 'name' && next?.text === '=>') declared.add(token.text);
    if (token.kind === 'name' && next?.text === 'of' && after && ['const', 'let', 'var'].includes(tokens[at - 1]?.text))
      say(token, 'for … of');
  });

  tokens.forEach((token, at) => {
    const [before, next] = [tokens[at - 1], tokens[at + 1]];
    if (token.text === '{') braces.push(beginsObject(before));
    if (token.text === '}') braces.pop();
    if (MODERN[token.text]) say(token, MODERN[token.text]);
    const inObject = braces.at(-1);
    const isKey = inObject && (before?.text === '{' || before?.text === ',');
    if (isKey && token.text === '[') say(token, 'a computed name of an object');
    if (token.kind !== 'name') return;
    if (before?.text === '.') {
      if (next?.text === '(' && !METHODS.has(token.text) && !methods.includes(token.text))
        say(token, `the method ${token.text}, which the sandbox has not`);
      return;
    }
    if (isKey && next?.text === ':') return;
    if (isKey && [',', '}', '('].includes(next?.text)) say(token, `a short form of an object: ${token.text}`);
    else if (FORBIDDEN.has(token.text)) say(token, token.text);
    else if (!ALLOWED.has(token.text) && !declared.has(token.text)) say(token, `${token.text} is not defined there`);
  });
  return faults;
};
