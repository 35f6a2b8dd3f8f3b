import type { Activity } from './types.js';

type Test = (value: unknown) => boolean;

export const isText: Test = (value) => typeof value === 'string';
const isTruth: Test = (value) => value === !!value;
const isList = Array.isArray;
const isObject: Test = (value) => !!value && typeof value === 'object' && !isList(value);
/** A text, a number or a truth value. */
export const isSimple: Test = (value) => /^[snb]/.test(typeof value);
const listOf = (test: Test): Test => (value) => isList(value) && value.every(test);
const objectOf = (test: Test): Test => (value) => isObject(value) && Object.values(value as object).every(test);

/** Throws where something is not as it must be, and names it. */
export const need = (field: string, valid: unknown): void => {
  if (!valid) throw TypeError('xo.activity: invalid ' + field);
};

const optional = (test: Test): Test => (value) => value === undefined || test(value);

const texts = optional(listOf(isText));
const needAll = (of: string, value: unknown, tests: Record<string, Test>): void => {
  need(of, isObject(value));
  for (const field in tests) need(of + '.' + field, tests[field]!((value as Record<string, unknown>)[field]));
};

export const needUser = (user: unknown): void =>
  needAll('user', user, { identities: objectOf(isText), segments: texts, traits: optional(isObject) });

export const needActivity = (activity: Activity): void => {
  needAll('activity', activity, {
    action: isText,
    target: objectOf(isText),
    opposite: optional(isTruth),
    sourceId: optional(isText),
    metadata: optional(objectOf((value) => isSimple(value) || isList(value))),
    segments: texts,
    timestamp: optional(isText),
    id: optional(isText),
  });
  if (activity.user) needUser(activity.user);
};
