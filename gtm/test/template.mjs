// The file of a template: its sections, and what each holds.

/** The sections by name, such as `INFO`. */
export const sectionsOf = (text) => {
  const parts = text.split(/^___([A-Z_]+)___$/m).slice(1);
  return Object.fromEntries(parts.flatMap((name, at) => (at % 2 ? [] : [[name, parts[at + 1].trim()]])));
};

const json = (sections, name) => {
  try {
    return JSON.parse(sections[name]);
  } catch (error) {
    throw new Error(`___${name}___: ${error.message}`);
  }
};

/** The part of YAML that the editor writes scenarios in: a list of names and blocks, and a block of its own. */
const testsOf = (text) => {
  const tests = { scenarios: [], setup: '' };
  const lines = text.split('\n');
  const block = (at, indent) => {
    const end = lines.findIndex((line, place) => place >= at && line.trim() && !line.startsWith(' '.repeat(indent)));
    const own = lines.slice(at, end < 0 ? lines.length : end);
    return own.map((line) => line.slice(indent)).join('\n');
  };
  lines.forEach((line, at) => {
    const name = line.match(/^- name: (.*)$/)?.[1];
    if (name) tests.scenarios.push({ name });
    else if (line === '  code: |-') tests.scenarios.at(-1).code = block(at + 1, 4);
    else if (line === 'setup: |-') tests.setup = block(at + 1, 2);
    else if (line.trim() && !line.startsWith('  ') && line !== 'scenarios:')
      throw new Error(`___TESTS___: "${line}" is not read here`);
  });
  return tests;
};

/** What a value of a permission is in plain JSON. */
const plain = (value) =>
  value.mapKey
    ? Object.fromEntries(value.mapKey.map((key, at) => [key.string, plain(value.mapValue[at])]))
    : (value.listItem?.map(plain) ?? value.string ?? value.boolean);

/** The permissions by name, each with its parameters. */
const permissionsOf = (all) =>
  Object.fromEntries(
    all.map(({ instance }) => [
      instance.key.publicId,
      Object.fromEntries(instance.param.map(({ key, value }) => [key, plain(value)])),
    ]),
  );

/** The fields that a person fills in, groups looked into. */
const fieldsOf = (parameters) => parameters.flatMap((one) => (one.type === 'GROUP' ? fieldsOf(one.subParams) : [one]));

export const readTemplate = (text) => {
  const sections = sectionsOf(text);
  return {
    info: json(sections, 'INFO'),
    fields: fieldsOf(json(sections, 'TEMPLATE_PARAMETERS')),
    code: sections.SANDBOXED_JS_FOR_WEB_TEMPLATE,
    permissions: permissionsOf(json(sections, 'WEB_PERMISSIONS')),
    tests: testsOf(sections.TESTS ?? ''),
  };
};
