#!/usr/bin/env python3
"""classes.py [--list] [--known FILE] [--clang CLANG] [-I FOLDER ...] ROOT: limits on classes, counted from clang's AST.

One run of clang reads every header that needs no LibTorch, and the core's sources. The rules:

CLASS-1  A class declares at most 40 member functions: public and private, static ones, templates and overloads. Not
         counted: constructors, the destructor, operators, conversions, functions that the compiler adds. A nested class
         counts for itself.
CLASS-2  A class has at most six collaborators. A collaborator is a class of this project, other than the class itself
         and the classes nested in it, that declares at least one member function and that a data member refers to: by
         reference, pointer, unique_ptr, shared_ptr or weak_ptr. Two members of one type are one collaborator.
         Interfaces count. Parts that a class holds by value, and elements of containers, do not count.
CLASS-3  No class names as its friend a class of another file, or a function that it does not define in its own body.
         Operators and a class nested in the same file are free; x.h and x.cc are one file.
CLASS-4  No constructor contains a comma expression: a comma there joins two effects in one initialiser.

FILE lists what is over a limit today, one line each as --list prints it: RULE NUMBER CLASS. The check fails if a number
grows, and if it has fallen and FILE still has the old one, so that FILE only shrinks.
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile

LIMITS = {'CLASS-1': 40, 'CLASS-2': 6, 'CLASS-3': 0, 'CLASS-4': 0}
WHAT = {'CLASS-1': 'member functions', 'CLASS-2': 'collaborators', 'CLASS-3': 'friends elsewhere',
        'CLASS-4': 'comma expressions in its constructors'}

FOLDERS = ('core', 'train', 'tune', 'data', 'serve', 'rl')
OUTSIDE = re.compile(r'^ *# *include *<(torch|ATen|c10|cuda|nccl|mujoco|duckdb)[/._>]', re.M)
INCLUDE = re.compile(r'^ *# *include *[<"]([^>"]+)[>"]', re.M)
# After a file that is missing clang instantiates no more templates, which is a third of its work. It reads all
# declarations nevertheless.
LAST = 'end of the list'


def sources(root):
    """Headers of all folders and the core's .cc files, without those that reach LibTorch or CUDA."""
    text = {}
    for folder in FOLDERS:
        for place, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                path = os.path.relpath(os.path.join(place, name), root)
                if path.endswith('.h') or path.startswith('core/') and path.endswith('.cc'):
                    with open(os.path.join(root, path), encoding='utf-8') as file:
                        text[path] = file.read()
    included = {re.sub(r'^.*/include/', '', path): path for path in text}
    needs = {}

    def outside(path):
        if path not in needs:
            needs[path] = False  # in a cycle of includes the others decide
            needs[path] = bool(OUTSIDE.search(text[path])) or any(
                outside(included[name]) for name in INCLUDE.findall(text[path]) if name in included)
        return needs[path]

    return sorted((path for path in text if not outside(path)), key=lambda path: (path.endswith('.cc'), path))


class Class:
    """A class definition: what it declares."""

    def __init__(self, name, file):
        self.name, self.file = name, file
        self.methods, self.members, self.friends, self.commas = 0, [], [], 0


class Node:
    """A line of the dump: one of those above the present one. `of` is its class, `name` the scope that it opens."""

    def __init__(self, depth, kind, of=None, name=None):
        self.depth, self.kind, self.of, self.name = depth, kind, of, name
        self.friend = self.read = False


NODE = re.compile(r'^([ |`-]*)([A-Z]\w+) 0x(\w+) (?:parent 0x(\w+) )?(?:prev 0x\w+ )?(.*)$')
WANTED = re.compile(r"Decl 0x|BinaryOperator 0x.* ','$|CompoundStmt 0x")
PLACE = re.compile(r'(?<![\w/.])(?!line:|col:)([^\s<>:,]+):\d+:\d+')
RANGE = re.compile(r'^<(?:<[^<>]*>|[^<>])*> ?(?:<[^<>]*> ?|\S+:\d+(?: |$))?')
FLAGS = re.compile(r'^(?:(?:implicit|used|referenced|constexpr|invalid|inline|nested) ?)*')
TYPES = re.compile(r" '([^']*)'(?::'([^']*)')?")
RECORD = re.compile(r'\b(?:class|struct|union)(?: (\w+))? definition')
FUNCTIONS = ('CXXMethodDecl', 'CXXConstructorDecl', 'CXXDestructorDecl', 'CXXConversionDecl', 'FunctionDecl')


class Reader:
    """Reads the text of -ast-dump line by line."""

    def __init__(self):
        self.classes, self.by_id, self.stack, self.file, self.skip = [], {}, [], '', None

    def line(self, line):
        if line.startswith('Dumping '):
            scope = line[8:].rstrip(':\n').replace('(anonymous namespace)', '(anonymous)').rpartition('::')[0]
            self.stack, self.skip = [Node(-1, 'Dumping', name=scope)], None
            return
        match = NODE.match(line)
        if not match:
            return
        indent, kind, own_id, parent, rest = match.groups()
        depth = len(indent) // 2
        if '/' in rest:
            for place in PLACE.findall(rest.split(" '")[0]):
                self.file = place.removeprefix('./')
        if self.skip is not None and depth > self.skip or not WANTED.search(line):
            return
        self.skip = None
        while self.stack[-1].depth >= depth:
            self.stack.pop()
        node = self.node(depth, kind, own_id, self.by_id.get(parent), rest)
        if node:
            self.stack.append(node)
        else:
            self.skip = depth

    def node(self, depth, kind, own_id, parent, rest):
        """The node of a line, after its class has heard of it; None where nothing below it counts."""
        above = self.stack[-1]
        after = RANGE.sub('', rest)
        plain = FLAGS.sub('', after)
        node = Node(depth, kind)
        if kind == 'NamespaceDecl':
            node.name = self.full(plain.split()[0] if plain else '(anonymous)')
        elif kind.startswith(('CXXRecordDecl', 'ClassTemplate')) and kind != 'ClassTemplateDecl':
            record = RECORD.search(after)
            instance = kind == 'ClassTemplateSpecializationDecl' and above.kind == 'ClassTemplateDecl'
            if not record or not record.group(1) or instance:  # declared, without a name (a lambda), or instantiated
                return None
            node.name = self.full(record.group(1), parent)
            node.of = self.by_id[own_id] = Class(node.name, self.file)
            self.classes.append(node.of)
        elif kind in FUNCTIONS:
            return self.function(node, parent, after, plain)
        elif kind in ('FieldDecl', 'FriendDecl') and above.of:
            node.of, types = above.of, TYPES.search(rest)
            if types:
                (above.of.members if kind == 'FieldDecl' else above.of.friends).append(types.groups())
        elif kind == 'ClassTemplateDecl' and above.kind == 'FriendDecl':
            above.of.friends.append((plain.split()[0], None))
            return None
        elif kind == 'BinaryOperator':
            maker = next((each for each in reversed(self.stack) if each.kind == 'CXXConstructorDecl'), None)
            if maker and maker.of:
                maker.of.commas += 1
        elif kind == 'CompoundStmt' and above.friend:
            above.of.friends.pop()  # defined in the class itself
            return None
        return node

    def function(self, node, parent, after, plain):
        above = self.stack[-1]
        if above.kind == 'FunctionTemplateDecl':
            if above.read:
                return None  # an instance: the template itself stands first
            above.read = True
            above = self.stack[-2]
        node.of = above.of or parent
        name = plain.partition(" '")[0]
        operator = re.match(r'operator\W', name)
        if above.kind == 'FriendDecl':
            node.friend = above.of is not None and not operator
            if node.friend:
                above.of.friends.append((name + '()', None))
        elif node.kind == 'CXXMethodDecl' and above.of and not operator and not after.startswith('implicit'):
            above.of.methods += 1
        return node

    def full(self, own, parent=None):
        scope = parent.name if parent else next(each.name for each in reversed(self.stack) if each.name is not None)
        return f'{scope}::{own}' if scope else own


def resolve(name, scope, known):
    """The full name of the class that `name` stands for as seen from `scope`; None if it is none of ours."""
    name = re.sub(r'\b(class|struct|typename|const|volatile) ', '', name or '').split('<')[0].strip()
    while name:
        full = f'{scope}::{name}' if scope else name
        if full in known:
            return full
        if not scope:
            break
        scope = scope.rpartition('::')[0]
    return None


def referred(kind):
    """What a data member of this type refers to, or None."""
    kind = kind.removeprefix('const ')
    smart = re.match(r'std::(?:unique_ptr|shared_ptr|weak_ptr)<(.*)>$', kind)
    plain = re.match(r'([^()]*?) ?[*&]+(?: ?const)?$', kind)
    return smart.group(1) if smart else plain.group(1) if plain else None


def same_file(one, other):
    one, other = os.path.splitext(one)[0], os.path.splitext(other)[0]
    public = '/include/' in one or '/include/' in other
    return one == other or public and os.path.basename(one) == os.path.basename(other)


def measure(classes):
    """{(rule, class): (number, file, parts)}. Of classes with one name the larger numbers."""
    known = {each.name: each for each in classes}
    last = {}
    for name in known:
        last.setdefault(name.rpartition('::')[2], name)
    found = {}
    for each in classes:
        others, friends = set(), set()
        for types in each.members:
            full = resolve(referred(types[1] or types[0]), each.name, known)
            if full and full != each.name and not full.startswith(each.name + '::') and known[full].methods > 0:
                others.add(full)
        for types in each.friends:
            full = resolve(types[1], each.name, known) or resolve(types[0], each.name, known) or last.get(types[0])
            if not full or not same_file(known[full].file, each.file):
                friends.add(full or types[1] or types[0])
        for rule, number, parts in (('CLASS-1', each.methods, ()), ('CLASS-2', len(others), others),
                                    ('CLASS-3', len(friends), friends), ('CLASS-4', each.commas, ())):
            key = rule, each.name.removeprefix('manta::')
            if key not in found or number > found[key][0]:
                found[key] = number, each.file, sorted(part.removeprefix('manta::') for part in parts)
    return found


def check(found, file):
    """The breaches, as lines for people."""
    known = {}
    if file:
        with open(file, encoding='utf-8') as lines:
            for rule, number, name in (line.split() for line in lines if line.startswith('CLASS-')):
                known[rule, name] = int(number)
    breaches = []
    for (rule, name), (number, where, parts) in found.items():
        was = known.get((rule, name), 0)
        most = max(LIMITS[rule], was)
        text = f'{where}: {rule}: {name} has {number} {WHAT[rule]}{" (" + ", ".join(parts) + ")" if parts else ""}'
        if number > most:
            breaches.append(f'{text}; at most {most}')
        elif number < was:
            then = f'set it to {number}' if number > LIMITS[rule] else 'delete the line'
            breaches.append(f'{text}, fewer than the {was} in {file}: {then}')
    gone = [f'{file}: {rule}: there is no class {name} any more: delete the line' for rule, name in known
            if (rule, name) not in found]
    return breaches + gone


def dump(given, root, reader):
    text = ''.join(f'#include "{path}"\n' for path in [*sources(root), LAST])
    public = [each for folder in FOLDERS for each in glob.glob(f'{root}/{folder}/**/include', recursive=True)]
    folders = ['.'] + [os.path.relpath(each, root) for each in public] + [os.path.abspath(each) for each in given.I]
    command = [given.clang, '-x', 'c++', '-std=c++20', '-fsyntax-only', '-w', '-ferror-limit=0']
    command += [f'-I{folder}' for folder in folders]
    command += ['-fno-color-diagnostics', '-Xclang', '-ast-dump', '-Xclang', '-ast-dump-filter=manta::', '-']
    with tempfile.TemporaryFile('w+') as source, tempfile.TemporaryFile('w+') as errors:
        source.write(text)
        source.seek(0)
        with subprocess.Popen(command, cwd=root, stdin=source, stdout=subprocess.PIPE, stderr=errors, text=True,
                              errors='replace') as clang:
            for line in clang.stdout:
                reader.line(line)
        errors.seek(0)
        messages = errors.read().splitlines()
    # Names without linkage meet here that do not in the build: other errors than a missing file are nothing to mind.
    missing = [line for line in messages if 'fatal error:' in line]
    if len(missing) != 1 or LAST not in missing[0]:
        print('\n'.join(missing or messages[-20:]))
        sys.exit('classes.py: clang did not read all files')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--list', action='store_true', help='print what is over a limit')
    parser.add_argument('--all', action='store_true', help='print every number, the largest first')
    parser.add_argument('--known', help='what is over a limit today')
    parser.add_argument('--clang', default='clang++-14')
    parser.add_argument('-I', action='append', default=[], metavar='FOLDER')
    parser.add_argument('root')
    given = parser.parse_args()
    reader = Reader()
    dump(given, os.path.abspath(given.root), reader)
    found = measure(reader.classes)
    if given.list or given.all:
        for (rule, name), (number, _, parts) in sorted(found.items(), key=lambda each: (each[0][0], -each[1][0])):
            if number > (0 if given.all else LIMITS[rule]):
                print(rule, number, name, *(parts if given.all else ()))
        return
    breaches = check(found, given.known)
    if breaches:
        print('\n'.join(breaches))
        sys.exit(f'classes: {len(breaches)} breaches; the rules are in {os.path.basename(__file__)}')
    print(f'{len(reader.classes)} classes')


main()
