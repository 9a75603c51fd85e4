#!/usr/bin/env python3
"""Makes sources of the code in pages and in the comments of public headers, so that it is compiled.

    extract.py ROOT CONTEXTS OUT

A block is what stands between ```cpp and ``` in a page, or the lines "//   code" behind an empty comment line in a public
header. Each becomes a namespace of its own. CONTEXTS gives what a block uses and does not declare:

    @@ core/api/include/manta/actor.h 1          the first block of that file
    struct Counter { int increment(int by); };

Lines of it may be: "skip REASON" (the block is no code, or cannot stand alone), "torch" (it needs LibTorch), "member" (it
is a part of a class), "body PARAMETERS" (its statements are in a function with these parameters). A block with a main is
a whole program; it runs where its context says "run". In OUT: plain.cc and torch.cc, and programs.cc with those that run.
"""
import pathlib
import re
import sys

DECLARATION = re.compile(
    r'(template|struct|class|enum|union|namespace|using|extern|static|inline|constexpr|NLOHMANN_\w+|TEST)\b')
NOT_FUNCTION = re.compile(r'(for|while|if|else|do|try|switch|return|co_\w+)\b')
FUNCTION = re.compile(r'[\w:<>&*,\s]+[\s&*>]\w+\s*\([^;{}]*\)\s*(const)?\s*$', re.S)


def blocks_of(path):
    lines = path.read_text().split('\n')
    if path.suffix == '.md':
        start = None
        for i, line in enumerate(lines):
            if line.startswith('```cpp'):
                start = i + 1
            elif line.startswith('```') and start is not None:
                yield start + 1, lines[start:i]
                start = None
        return
    i = 0
    while i < len(lines):
        before = lines[i - 1].strip() if i else ''
        if before in ('//', '///') and re.match(r'\s*///?(   |     )\S', lines[i]):
            end = i
            while end < len(lines) and re.match(r'\s*///?(   .*)?$', lines[end]):
                end += 1
            block = [re.sub(r'^\s*///?( {3})?', '', line) for line in lines[i:end]]
            if re.search(r'[;{]', '\n'.join(block)):
                yield i + 1, block
            i = end
        else:
            i += 1


def items_of(lines, first):
    """Top-level declarations and statements: (line, text, whether it ends with a brace)."""
    text = '\n'.join(lines)
    items, start, depth, i = [], 0, 0, 0

    def take(end):
        nonlocal start
        piece = text[start:end]
        blank = len(piece) - len(piece.lstrip())
        if piece.strip():
            items.append((first + text.count('\n', 0, start + blank), piece.strip('\n')))
        start = end

    while i < len(text):
        if text.startswith('//', i):
            i = text.find('\n', i) if '\n' in text[i:] else len(text)
            continue
        if text.startswith('/*', i):
            i = text.index('*/', i) + 2
            continue
        if text[i] in '"\'' and not (text[i] == "'" and i and text[i - 1].isdigit()):
            quote, i = text[i], i + 1
            while text[i] != quote:
                i += 2 if text[i] == '\\' else 1
        elif text[i] == '#' and depth == 0 and not text[start:i].strip():
            i = text.find('\n', i) if '\n' in text[i:] else len(text)
            take(i)
            continue
        elif text[i] in '({[':
            depth += 1
        elif text[i] in ')}]':
            depth -= 1
            rest = text[i + 1:].lstrip()
            ends = depth == 0 and not rest.startswith((';', ')', ',', '.', '(', '[', 'else', 'while'))
            if ends and (text[i] == '}' and not head_is_expression(text[start:i]) or
                         text[i] == ')' and text[start:i].strip().startswith('NLOHMANN')):
                take(i + 1)
        elif text[i] == ';' and depth == 0:
            take(i + 1)
        i += 1
    take(len(text))
    return items


def without_comments(text):
    return re.sub(r'//[^\n]*', '', text).strip()


def head_is_expression(text):
    head = without_comments(text).split('{')[0]
    return '=' in re.sub(r'\([^()]*\)', '', head) and not NOT_FUNCTION.match(head)


def is_declaration(text):
    code = without_comments(text)
    if DECLARATION.match(code):
        return True
    head = re.split(r'[{;]', code)[0]
    return bool(not NOT_FUNCTION.match(code) and '=' not in head and
                (code.endswith('}') or code.endswith(';') and '{' not in code and '(' in code) and
                FUNCTION.match(head) and (code.endswith('}') or re.match(r'[\w:<>]+ \w+\(([\w:<>]+[&*]? ?[&*]?\w*(, )?)*\)', head) and
                                          re.search(r'\((\w|::|<|>)+&? \w+|\(\)', head)))


class Context:
    def __init__(self):
        self.lines, self.skip, self.body, self.flags = [], None, '', set()


def contexts_of(path):
    contexts, current = {}, None
    for line in path.read_text().split('\n'):
        if line.startswith('@@ '):
            _, file, number = line.split()
            current = contexts.setdefault((file, int(number)), Context())
        elif current is None:
            continue
        elif line.startswith('skip '):
            current.skip = line[5:]
        elif line.startswith('body'):
            current.body = line[4:].strip()
        elif line in ('torch', 'member', 'run'):
            current.flags.add(line)
        else:
            current.lines.append(line)
    return contexts


def namespace_for(key):
    return re.sub(r'\W', '_', key[0]) + f'_{key[1]}'


def source_of(key, first, lines, context):
    includes, before, statements = [], [], []
    if key[0].endswith('.h'):
        includes.append(f"#include <{key[0].split('/include/')[1]}>")
    for line in context.lines:
        (includes if line.startswith('#include') else before).append(line)
    declarations = []
    for number, item in items_of(lines, first):
        if item.lstrip().startswith('#include'):
            includes.append(item.strip())
            continue
        where = f'#line {number} "{key[0]}"\n{item}'
        whole = 'member' in context.flags
        (declarations if whole or is_declaration(item) else statements).append(where)
    parts = [f'namespace {namespace_for(key)} {{', '\n'.join(before)]
    parts += ['struct Part {'] * ('member' in context.flags) + declarations + ['};'] * ('member' in context.flags)
    if statements:
        parts += [f'[[maybe_unused]] void statements({context.body}) {{'] + statements + ['}']
    parts.append(f'}}  // namespace {namespace_for(key)}')
    return includes, '\n'.join(parts) + '\n'


def needs_torch(key, lines, context):
    text = '\n'.join(lines)
    return 'torch' in context.flags or key[0].startswith(('train/', 'rl/')) or 'torch' in text


def main():
    root, contexts_file, out = map(pathlib.Path, sys.argv[1:])
    contexts, used = contexts_of(contexts_file), set()
    pages = [root / 'README.md', *sorted(root.glob('*/README.md')), *sorted(root.glob('docs/*.md'))]
    headers = sorted([*root.glob('*/include/manta/**/*.h'), *root.glob('core/*/include/manta/**/*.h')])
    sources = {'plain': ([], []), 'torch': ([], []), 'programs': ([], [])}
    programs, skipped = [], []
    for path in pages + headers:
        for number, (first, lines) in enumerate(blocks_of(path), 1):
            key = (path.relative_to(root).as_posix(), number)
            context = contexts.get(key, Context())
            used.add(key)
            if context.skip:
                skipped.append(f'{key[0]}:{first}: {context.skip}')
                continue
            if 'run' in context.flags:
                programs.append(namespace_for(key))
            kind = 'programs' if 'run' in context.flags else 'torch' if needs_torch(key, lines, context) else 'plain'
            includes, code = source_of(key, first, lines, context)
            sources[kind][0].extend(includes)
            sources[kind][1].append(code)
    unknown = sorted(set(contexts) - used)
    if unknown:
        sys.exit(f'{contexts_file}: no such block: {unknown}. Next: number the contexts as the blocks are')
    out.mkdir(parents=True, exist_ok=True)
    for kind, (includes, codes) in sources.items():
        text = '\n'.join(dict.fromkeys(includes)) + '\n\n' + '\n'.join(codes)
        if kind == 'programs':
            text += '#line 1 "programs.cc"\nint main(int argc, char** argv) {\n  const std::string program = argv[1];\n'
            for name in programs:
                text += f'  if (program == "{name}") return {name}::main(argc, argv);\n'
            text += '  return 2;\n}\n'
        target = out / f'{kind}.cc'
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
    print(f'{len(used)} blocks, {len(skipped)} skipped:', *skipped, sep='\n  ')


main()
