___TERMS_OF_SERVICE___

By creating or modifying this file you agree to Google Tag Manager's Community
Template Gallery Developer Terms of Service available at
https://developers.google.com/tag-manager/gallery-tos (or such other URL as
Google may provide), as modified from time to time.


___INFO___

{
  "type": "TAG",
  "id": "cvt_temp_public_id",
  "version": 1,
  "securityGroups": [],
  "displayName": "backstitch activities",
  "categories": ["ANALYTICS", "PERSONALIZATION"],
  "brand": {
    "id": "brand_dummy",
    "displayName": "backstitch"
  },
  "description": "Sends what visitors do, with their identities, to a backstitch collector of your own. Loads its web SDK from a host of your own.",
  "containerContexts": ["WEB"]
}


___TEMPLATE_PARAMETERS___

[
  {
    "type": "GROUP",
    "name": "collector",
    "displayName": "Collector",
    "groupStyle": "ZIPPY_OPEN",
    "subParams": [
      {
        "type": "TEXT",
        "name": "scriptUrl",
        "displayName": "Address of the web SDK",
        "simpleValueType": true,
        "valueHint": "https://shop.example/xo.activity.js",
        "help": "Where your shop serves xo.activity.js, at the root of a host.",
        "valueValidators": [
          {"type": "NON_EMPTY"},
          {
            "type": "REGEX",
            "args": ["^https://[^/?#]+/xo\\.activity\\.js$"],
            "errorMessage": "Write https://, a host and /xo.activity.js."
          }
        ]
      },
      {
        "type": "TEXT",
        "name": "endpoint",
        "displayName": "Address of the collector",
        "simpleValueType": true,
        "valueHint": "https://collect.shop.example",
        "help": "Where backstitch serve is reached.",
        "valueValidators": [
          {"type": "NON_EMPTY"},
          {"type": "REGEX", "args": ["^https://[^?#]+$"], "errorMessage": "Write an address that begins with https://."}
        ]
      },
      {
        "type": "TEXT",
        "name": "trackerKey",
        "displayName": "Tracker key",
        "simpleValueType": true,
        "valueHint": "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        "help": "One of the keys in the file that the collector was started with.",
        "valueValidators": [
          {"type": "NON_EMPTY"},
          {
            "type": "REGEX",
            "args": ["^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"],
            "errorMessage": "A key is a UUID."
          }
        ]
      }
    ]
  },
  {
    "type": "GROUP",
    "name": "activity",
    "displayName": "Activity",
    "groupStyle": "ZIPPY_OPEN",
    "subParams": [
      {
        "type": "TEXT",
        "name": "action",
        "displayName": "Action",
        "simpleValueType": true,
        "valueHint": "view",
        "help": "What the visitor did: view, addToBasket, purchase.",
        "valueValidators": [{"type": "NON_EMPTY"}]
      },
      {
        "type": "SIMPLE_TABLE",
        "name": "targets",
        "displayName": "Targets",
        "help": "What it was done to: product and its number.",
        "newRowButtonText": "Add a target",
        "simpleTableColumns": [
          {"name": "key", "displayName": "Name", "type": "TEXT", "isUnique": true, "defaultValue": ""},
          {"name": "value", "displayName": "Value", "type": "TEXT", "defaultValue": ""}
        ],
        "valueValidators": [{"type": "TABLE_ROW_COUNT", "args": [1, 20]}]
      },
      {
        "type": "SIMPLE_TABLE",
        "name": "metadata",
        "displayName": "Metadata",
        "help": "More about the activity: an order and its number. Texts, numbers, truth values and lists.",
        "newRowButtonText": "Add metadata",
        "simpleTableColumns": [
          {"name": "key", "displayName": "Name", "type": "TEXT", "isUnique": true, "defaultValue": ""},
          {"name": "value", "displayName": "Value", "type": "TEXT", "defaultValue": ""}
        ]
      },
      {
        "type": "TEXT",
        "name": "activitySegments",
        "displayName": "Segments of the activity",
        "simpleValueType": true,
        "help": "Labels with commas between them, or a variable that is a list."
      },
      {
        "type": "TEXT",
        "name": "sourceId",
        "displayName": "Source",
        "simpleValueType": true,
        "help": "Where the visitor came from within the shop, such as a list of recommendations."
      }
    ]
  },
  {
    "type": "GROUP",
    "name": "identification",
    "displayName": "Identities",
    "groupStyle": "ZIPPY_OPEN",
    "subParams": [
      {
        "type": "SIMPLE_TABLE",
        "name": "identities",
        "displayName": "Identities",
        "help": "Who the visitor is, as far as is known: ecommerceId after the log-in. What has no value is left out. The session ID is added by itself.",
        "newRowButtonText": "Add an identity",
        "simpleTableColumns": [
          {
            "name": "key",
            "displayName": "Namespace",
            "type": "TEXT",
            "isUnique": true,
            "defaultValue": "ecommerceId",
            "valueValidators": [
              {"type": "NON_EMPTY"},
              {"type": "REGEX", "args": ["^[^:]+$"], "errorMessage": "A namespace holds no colon."}
            ]
          },
          {"name": "value", "displayName": "Value", "type": "TEXT", "defaultValue": ""}
        ]
      }
    ]
  },
  {
    "type": "GROUP",
    "name": "information",
    "displayName": "User information",
    "groupStyle": "ZIPPY_CLOSED",
    "subParams": [
      {
        "type": "TEXT",
        "name": "userSegments",
        "displayName": "Segments of the visitor",
        "simpleValueType": true,
        "valueHint": "new, prospect",
        "help": "Labels with commas between them, or a variable that is a list."
      },
      {
        "type": "SIMPLE_TABLE",
        "name": "traits",
        "displayName": "Traits",
        "help": "Values of the visitor, such as age. No personal information.",
        "newRowButtonText": "Add a trait",
        "simpleTableColumns": [
          {"name": "key", "displayName": "Name", "type": "TEXT", "isUnique": true, "defaultValue": ""},
          {"name": "value", "displayName": "Value", "type": "TEXT", "defaultValue": ""}
        ]
      }
    ]
  }
]


___SANDBOXED_JS_FOR_WEB_TEMPLATE___

const callInWindow = require('callInWindow');
const copyFromWindow = require('copyFromWindow');
const createQueue = require('createQueue');
const getType = require('getType');
const injectScript = require('injectScript');
const makeString = require('makeString');

// What has no value in a variable is not sent: a visitor who is not logged in has no customer.
const isMissing = (value) => value === undefined || value === null || value === '';

// The rows of a table as an object, each value as `read` makes it.
const tableOf = (rows, read) => {
  const all = {};
  (rows || []).forEach((row) => {
    if (!isMissing(row.key) && !isMissing(row.value)) all[row.key] = read(row.value);
  });
  return all;
};

const isEmpty = (object) => {
  for (let key in object) return false;
  return true;
};

// Labels: a list as it is, or a text with commas.
const labelsOf = (value) => {
  const all = getType(value) === 'array' ? value : makeString(isMissing(value) ? '' : value).split(',');
  return all.map((label) => makeString(label).trim()).filter((label) => label !== '');
};

// What a collector takes as it is; anything else goes as text.
const plain = (value) => {
  const type = getType(value);
  return type === 'string' || type === 'number' || type === 'boolean' || type === 'array' ? value : makeString(value);
};

// Calls wait here until the SDK is there, and run at once where it is.
const queue = createQueue('_attraqt');
const isThere = copyFromWindow('xo.activity.isInitialized');

if (!isThere) queue(['init', {trackerKey: data.trackerKey, endpoint: data.endpoint}]);

const identities = tableOf(data.identities, makeString);
for (let namespace in identities) queue(['addUserIdentity', namespace, identities[namespace]]);
const segments = labelsOf(data.userSegments);
if (segments.length > 0) queue(['setUserSegments', segments]);
const traits = tableOf(data.traits, plain);
if (!isEmpty(traits)) queue(['setUserTraits', traits]);

const activity = {action: data.action, target: tableOf(data.targets, makeString)};
const metadata = tableOf(data.metadata, plain);
if (!isEmpty(metadata)) activity.metadata = metadata;
const labels = labelsOf(data.activitySegments);
if (labels.length > 0) activity.segments = labels;
if (!isMissing(data.sourceId)) activity.sourceId = makeString(data.sourceId);
queue(['send', activity]);

const run = () => {
  callInWindow('xo.activity.handleQueuedEvents');
  data.gtmOnSuccess();
};

if (isThere) run();
else injectScript(data.scriptUrl, run, data.gtmOnFailure, data.scriptUrl);


___WEB_PERMISSIONS___

[
  {
    "instance": {
      "key": {"publicId": "access_globals", "versionId": "1"},
      "param": [
        {
          "key": "keys",
          "value": {
            "type": 2,
            "listItem": [
              {
                "type": 3,
                "mapKey": [
                  {"type": 1, "string": "key"},
                  {"type": 1, "string": "read"},
                  {"type": 1, "string": "write"},
                  {"type": 1, "string": "execute"}
                ],
                "mapValue": [
                  {"type": 1, "string": "_attraqt"},
                  {"type": 8, "boolean": true},
                  {"type": 8, "boolean": true},
                  {"type": 8, "boolean": false}
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {"type": 1, "string": "key"},
                  {"type": 1, "string": "read"},
                  {"type": 1, "string": "write"},
                  {"type": 1, "string": "execute"}
                ],
                "mapValue": [
                  {"type": 1, "string": "xo.activity.isInitialized"},
                  {"type": 8, "boolean": true},
                  {"type": 8, "boolean": false},
                  {"type": 8, "boolean": false}
                ]
              },
              {
                "type": 3,
                "mapKey": [
                  {"type": 1, "string": "key"},
                  {"type": 1, "string": "read"},
                  {"type": 1, "string": "write"},
                  {"type": 1, "string": "execute"}
                ],
                "mapValue": [
                  {"type": 1, "string": "xo.activity.handleQueuedEvents"},
                  {"type": 8, "boolean": false},
                  {"type": 8, "boolean": false},
                  {"type": 8, "boolean": true}
                ]
              }
            ]
          }
        }
      ]
    },
    "clientAnnotations": {"isEditedByUser": true},
    "isRequired": true
  },
  {
    "instance": {
      "key": {"publicId": "inject_script", "versionId": "1"},
      "param": [
        {
          "key": "urls",
          "value": {"type": 2, "listItem": [{"type": 1, "string": "https://*/xo.activity.js"}]}
        }
      ]
    },
    "clientAnnotations": {"isEditedByUser": true},
    "isRequired": true
  }
]


___TESTS___

scenarios:
- name: The SDK is loaded and the calls wait for it
  code: |-
    runCode(settings);
    assertApi('injectScript').wasCalledWith(settings.scriptUrl, success, failure, settings.scriptUrl);
    assertThat(calls).isEqualTo([
      ['init', {trackerKey: settings.trackerKey, endpoint: settings.endpoint}],
      ['send', {action: 'view', target: {product: '123'}}]
    ]);
    assertApi('callInWindow').wasCalledWith('xo.activity.handleQueuedEvents');
    assertApi('gtmOnSuccess').wasCalled();
    assertApi('gtmOnFailure').wasNotCalled();
- name: The SDK that a page has already is used
  code: |-
    mock('copyFromWindow', true);
    runCode(settings);
    assertApi('injectScript').wasNotCalled();
    assertThat(calls).isEqualTo([['send', {action: 'view', target: {product: '123'}}]]);
    assertApi('callInWindow').wasCalledWith('xo.activity.handleQueuedEvents');
    assertApi('gtmOnSuccess').wasCalled();
- name: A script that cannot be loaded is a failure
  code: |-
    mock('injectScript', (url, onSuccess, onFailure) => onFailure());
    runCode(settings);
    assertApi('callInWindow').wasNotCalled();
    assertApi('gtmOnSuccess').wasNotCalled();
    assertApi('gtmOnFailure').wasCalled();
- name: Identities are added one by one, as text
  code: |-
    settings.identities = [{key: 'ecommerceId', value: 18278}, {key: 'email', value: 'a@b.example'}];
    runCode(settings);
    assertThat(calls[1]).isEqualTo(['addUserIdentity', 'ecommerceId', '18278']);
    assertThat(calls[2]).isEqualTo(['addUserIdentity', 'email', 'a@b.example']);
- name: An identity without a value is left out
  code: |-
    settings.identities = [
      {key: 'ecommerceId', value: undefined}, {key: 'email', value: ''}, {key: 'deviceId', value: null}
    ];
    runCode(settings);
    assertThat(calls).hasLength(2);
- name: Segments are a text with commas or a list
  code: |-
    settings.userSegments = ' new, prospect ,';
    settings.activitySegments = ['web', '', 7];
    runCode(settings);
    assertThat(calls[1]).isEqualTo(['setUserSegments', ['new', 'prospect']]);
    assertThat(calls[2][1].segments).isEqualTo(['web', '7']);
- name: Traits and metadata keep numbers, truth values and lists
  code: |-
    settings.traits = [{key: 'age', value: 45}, {key: 'buyer', value: false}, {key: 'city', value: 'Kiel'}];
    settings.metadata = [{key: 'orderId', value: '1001'}, {key: 'sizes', value: [1, 2]}, {key: 'none', value: ''}];
    runCode(settings);
    assertThat(calls[1]).isEqualTo(['setUserTraits', {age: 45, buyer: false, city: 'Kiel'}]);
    assertThat(calls[2][1].metadata).isEqualTo({orderId: '1001', sizes: [1, 2]});
- name: Several targets and a source
  code: |-
    settings.targets = [{key: 'product', value: 123}, {key: 'basket', value: 'b-1'}];
    settings.sourceId = 'recommendations';
    runCode(settings);
    assertThat(calls[1]).isEqualTo(['send', {
      action: 'view', target: {product: '123', basket: 'b-1'}, sourceId: 'recommendations'
    }]);
setup: |-
  const settings = {
    scriptUrl: 'https://shop.example/xo.activity.js',
    endpoint: 'https://collect.shop.example',
    trackerKey: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff',
    action: 'view',
    targets: [{key: 'product', value: '123'}]
  };
  const calls = [];
  let success;
  let failure;
  mock('createQueue', (name) => (call) => calls.push(call));
  mock('copyFromWindow', undefined);
  mock('callInWindow', undefined);
  mock('injectScript', (url, onSuccess, onFailure) => {
    success = onSuccess;
    failure = onFailure;
    onSuccess();
  });


___NOTES___

The scenarios run outside of the editor, too: node --test gtm/test/
