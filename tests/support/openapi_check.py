#!/usr/bin/env python3
"""Holds the API's document against what the server has answered: openapi_check.py DOCUMENT RECORD

RECORD has an exchange a line, as api_record (api.h) writes them. Every route, status, header and field of the
answers must be in the document; and what is in the document must have been in some answer, but for what UNMADE
says. Prints what does not fit, and then ends with 1.
"""
import json
import re
import sys

# Documented, and not made to happen: (method and path, status) or a pointer to a field → why.
UNMADE = {
    'GET /api/live 503': 'a thousand must look at once',
    '#/components/schemas/Mailed/properties/archived': 'e2e/test_archive_lookup has the PostgreSQL for it',
}

USUAL = {'date', 'connection', 'content-length', 'content-type', 'transfer-encoding'}
CORS = {'vary', 'access-control-allow-origin', 'access-control-expose-headers', 'access-control-allow-methods',
        'access-control-allow-headers', 'access-control-max-age'}
# Keywords of JSON Schema that `faults` knows; the last row says nothing of what is valid.
KNOWN = {'$ref', 'type', 'enum', 'const', 'oneOf', 'required', 'properties', 'additionalProperties', 'items',
         'minimum', 'maximum',
         'description', 'format'}
TYPES = {'object': dict, 'array': list, 'string': str, 'boolean': bool, 'integer': int, 'number': (int, float),
         'null': type(None)}


class Document:
    def __init__(self, path):
        self.root = json.load(open(path, encoding='utf-8'))
        self.documented = set()  # pointers to what answers may have
        self.seen = set()

    def at(self, pointer):
        """The node at a pointer, and where it really is: behind its references."""
        node = self.root
        for part in pointer.split('/')[1:]:
            node = node[int(part) if isinstance(node, list) else part.replace('~1', '/').replace('~0', '~')]
        return self.at(node['$ref']) if isinstance(node, dict) and '$ref' in node else (node, pointer)

    def below(self, pointer, *parts):
        for part in parts:
            pointer += '/' + part.replace('~', '~0').replace('/', '~1')
        return self.at(pointer)

    def note(self, pointer, seen):
        (self.seen if seen else self.documented).add(pointer)

    def fields(self, pointer, done):
        """Notes all the fields that a schema documents."""
        schema, pointer = self.at(pointer)
        if pointer in done or not isinstance(schema, dict):
            return
        done.add(pointer)
        for name in schema.get('properties', {}):
            self.note(f'{pointer}/properties/{name}', False)
            self.fields(f'{pointer}/properties/{name}', done)
        for keyword in ('items', 'additionalProperties'):
            if keyword in schema:
                self.fields(f'{pointer}/{keyword}', done)
        for i in range(len(schema.get('oneOf', []))):
            self.fields(f'{pointer}/oneOf/{i}', done)

    def is_type(self, value, name):
        if isinstance(value, bool):
            return name == 'boolean'
        return isinstance(value, TYPES[name])

    def faults(self, pointer, value, where, seen):
        """What is wrong with the value; seen gets the pointers of its fields."""
        schema, pointer = self.at(pointer)
        for keyword in schema.keys() - KNOWN:
            yield f'{pointer}: this checker does not know {keyword}'
        types = schema.get('type', list(TYPES))
        if not any(self.is_type(value, t) for t in ([types] if isinstance(types, str) else types)):
            yield f'{where} is no {types} but {value!r}'
            return
        if 'enum' in schema and value not in schema['enum'] or 'const' in schema and value != schema['const']:
            yield f'{where} is {value!r}'
        if isinstance(value, (int, float)) and not (schema.get('minimum', value) <= value <= schema.get('maximum', value)):
            yield f'{where} is out of range: {value!r}'
        if 'oneOf' in schema:
            yield from self.one_of(pointer, len(schema['oneOf']), value, where, seen)
        elif isinstance(value, list) and 'items' in schema:
            for i, one in enumerate(value):
                yield from self.faults(f'{pointer}/items', one, f'{where}.{i}', seen)
        elif isinstance(value, dict):
            yield from self.member_faults(schema, pointer, value, where, seen)

    def one_of(self, pointer, n, value, where, seen):
        fits = []
        for i in range(n):
            fields = set()
            if not list(self.faults(f'{pointer}/oneOf/{i}', value, where, fields)):
                fits.append(fields)
        if len(fits) == 1:
            seen |= fits[0]
        else:
            yield f'{where} fits {len(fits)} of {pointer}/oneOf'

    def member_faults(self, schema, pointer, value, where, seen):
        for name in schema.get('required', []):
            if name not in value:
                yield f'{where}.{name} is required, and not there'
        if 'properties' not in schema and 'additionalProperties' not in schema:
            return  # any object
        for name, one in value.items():
            if name in schema.get('properties', {}):
                seen.add(f'{pointer}/properties/{name}')
                yield from self.faults(f'{pointer}/properties/{name}', one, f'{where}.{name}', seen)
            elif 'additionalProperties' in schema:
                yield from self.faults(f'{pointer}/additionalProperties', one, f'{where}.{name}', seen)
            else:
                yield f'{where}.{name} is not documented'


class Checker:
    def __init__(self, document):
        self.d = document
        self.paths = {re.compile(re.sub(r'\\{\w+\\}', '[^/]+', re.escape(p)).join(('^', '$'))): p
                      for p in sorted(document.root['paths'], key=lambda p: '{' in p)}
        for path, item in document.root['paths'].items():
            for method, operation in item.items():
                for status in operation['responses']:
                    self.expect(path, method, status)

    def expect(self, path, method, status):
        node, pointer = self.d.below('#/paths', path, method, 'responses', status)
        self.d.note(f'{method.upper()} {path} {status}', False)
        for name in node.get('headers', {}):
            self.d.note(f'{pointer}/headers/{name}', False)
        for media in node.get('content', {}):
            _, schema = self.d.below(pointer, 'content', media)
            self.d.fields(schema + '/schema', set())

    def operation(self, method, path):
        """Where the answers to this are documented: the pointer of its responses, or a function of the status."""
        known = None
        for pattern, template in self.paths.items():
            if not pattern.match(path):
                continue
            known = template
            for name in (method, 'get' if method == 'head' else method):
                if name in self.d.root['paths'][template]:
                    return f'{name.upper()} {template}', self.d.below('#/paths', template, name, 'responses')[1]
        return None, 'Options' if known and method == 'options' else 'NoMethod' if known else 'NoPath'

    def exchange(self, e):
        method, path = e['method'].lower(), e['path'].split('?')[0]
        status, headers, media, body = e['status'], read_head(e['head']), '', e['body']
        where, responses = self.operation(method, path)
        if where is not None:
            if str(status) not in self.d.at(responses)[0]:
                yield f'{where} {status} is not documented'
                return
            self.d.note(f'{where} {status}', True)
            node, pointer = self.d.below(responses, str(status))
        else:
            where = f'{e["method"]} {path}'
            # what stands before the routes
            name = {400: 'BadRequest', 421: 'Misdirected', 431: 'HeadTooLarge'}.get(status, responses)
            node, pointer = self.d.below('#/components/responses', name)
            if status != {'Options': 204, 'NoMethod': 405, 'NoPath': 404}[responses] and name == responses:
                yield f'{where} {status}: is no {name}'
        where = f'{where} {status}'
        yield from self.headers(where, pointer, node, headers)
        if 'content-type' in headers:
            media = headers['content-type'].split(';')[0]
        if media not in node.get('content', {'': 0}):
            yield f'{where}: Content-Type {media} is not documented'
        elif method == 'head' or not media.endswith('json'):
            if body and media == '':
                yield f'{where}: has a body'
        else:
            _, content = self.d.below(pointer, 'content', media)
            yield from self.d.faults(content + '/schema', json.loads(body), where, self.d.seen)
            if media.endswith('problem+json') and json.loads(body)['status'] != status:
                yield f'{where}: its status is another'

    def headers(self, where, pointer, node, headers):
        documented = {n.lower(): n for n in node.get('headers', {})}
        every = {n.lower(): n for n in self.d.root['x-every-answer']}
        for name, value in headers.items():
            if name in documented:
                at = f'{pointer}/headers/{documented[name]}'
                self.d.note(at, True)
            elif name in every:
                at = f'#/x-every-answer/{every[name]}'
            elif name in USUAL or name in CORS:
                continue
            else:
                yield f'{where}: the header {name} is not documented'
                continue
            _, schema = self.d.below(self.d.at(at)[1])
            if self.d.at(schema)[0]['schema'].get('type') == 'integer' and value.isdigit():
                value = int(value)
            yield from self.d.faults(schema + '/schema', value, f'{where}: {name}', set())
        for name in every.keys() - headers.keys():
            yield f'{where}: the header {name} is not there'

    def routes(self, endpoints):
        mine = {f'{m.upper()} {re.sub("{.*}", "*", p)}' for p, i in self.d.root['paths'].items() for m in i}
        for route in mine - set(endpoints):
            yield f'{route} is documented, and no route of the server'
        for route in set(endpoints) - mine:
            yield f'{route} is a route of the server, and not documented'


def read_head(head):
    lines = [line.split(':', 1) for line in head.replace('\r', '').split('\n') if ':' in line]
    return {name.strip().lower(): value.strip() for name, value in lines}


def main():
    document = Document(sys.argv[1])
    checker = Checker(document)
    bad, n, index = {}, 0, None
    for line in open(sys.argv[2], encoding='utf-8', errors='surrogateescape'):
        e = json.loads(line)
        n += 1
        for fault in checker.exchange(e):
            bad[fault] = None
        if e['method'] == 'GET' and e['path'] == '/' and e['status'] == 200 and e['body'].startswith('{'):
            index = json.loads(e['body'])
    if index is None:
        bad['GET / was never asked for'] = None
    else:
        bad.update(dict.fromkeys(checker.routes(index['endpoints'])))
        if index['version'] != document.root['info']['version']:
            bad[f'it is of version {document.root["info"]["version"]}, and the server {index["version"]}'] = None
    for what in sorted(document.documented - document.seen):
        if what in UNMADE:
            print(f'not made to happen: {what}: {UNMADE[what]}')
        else:
            bad[f'{what} is documented, and was never answered'] = None
    for what in UNMADE.keys() & document.seen:
        bad[f'{what} was answered after all'] = None
    print(f'{n} answers, {len(document.seen)} codes, headers and fields')
    print('\n'.join(bad))
    return 1 if bad else 0


sys.exit(main())
