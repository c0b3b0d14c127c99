"""The scripts of `cronsched completion`.

Example::

    print(bash(make_parser()))
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Final

from cronsched.cli.tree import Option, options_of, subparsers_of

__all__ = ['SCRIPTS', 'bash', 'fish', 'zsh']

BASH = """\
# bash completion for cronsched; printed by `cronsched completion bash`.
_cronsched_words() {{      # no compgen -W: it would execute what is in a name
    local word
    while IFS= read -r word; do
        if [[ -n $word && $word == "$current"* ]]; then
            COMPREPLY+=("$(printf %q "$word")")
        fi
    done <<< "$1"
}}
_cronsched_names() {{
    _cronsched_words "$(cronsched completion --list "$1" 2>/dev/null)"
}}
_cronsched() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _cronsched_words {commands}
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
}}
complete -F _cronsched cronsched
"""

ZSH = """\
#compdef cronsched
# zsh completion for cronsched; printed by `cronsched completion zsh`.
_cronsched_names() {{
    local -a names
    names=("${{(@f)$(cronsched completion --list $1 2>/dev/null)}}")
    compadd -a names
}}
_cronsched() {{
    local curcontext=$curcontext state line
    local -a commands
    commands=(
{commands}
    )
    _arguments -C {options} '1:command:->command' '*::argument:->argument'
    case $state in
    command) _describe command commands ;;
    argument)
        case $line[1] in
{cases}
        esac ;;
    esac
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _cronsched "$@"
else compdef _cronsched cronsched; fi
"""

FISH = """\
# fish completion for cronsched; printed by `cronsched completion fish`.
complete -c cronsched -f
{lines}
"""


def bash(parser: argparse.ArgumentParser) -> str:
    commands = subparsers_of(parser)
    first = [*commands, *_flags(options_of(parser))]
    cases = '\n'.join(
        '\n        '.join([f'    {name})', *_bash_case(list(options_of(each)))]) + ' ;;'
        for name, (_, each) in commands.items()
    )
    return BASH.format(commands=_dollar(first), cases=cases)


def _bash_case(options: list[Option]) -> Iterator[str]:
    yield 'case $previous in'
    for option in options:
        if option.flags and option.kind:
            yield f'{"|".join(option.flags)}) {_bash_value(option)}; return ;;'
    yield 'esac'
    positional = next((each for each in options if not each.flags), None)
    otherwise = _bash_value(positional) if positional else ':'
    yield f'case $current in -*) _cronsched_words {_dollar(_flags(options))} ;;'
    yield f'*) {otherwise} ;;'
    yield 'esac'


def _bash_value(option: Option) -> str:
    match option.kind:
        case 'jobs' | 'applications':
            return f'_cronsched_names {option.kind}'
        case 'directories':
            return 'COMPREPLY=($(compgen -d -- "$current"))'
        case 'files':
            return 'COMPREPLY=($(compgen -f -- "$current"))'
        case 'words':
            return f'_cronsched_words {_dollar(option.words)}'
    return ':'


def _dollar(words: Iterable[str]) -> str:
    """Words as one quoted text, a line each."""
    return "$'" + '\\n'.join(words) + "'"


def _flags(options: Iterable[Option]) -> list[str]:
    return [flag for option in options for flag in option.flags]


def zsh(parser: argparse.ArgumentParser) -> str:
    commands = subparsers_of(parser)
    described = '\n'.join(
        f'        {_quote(name + ":" + _escape(text))}' for name, (text, _) in commands.items())
    cases = '\n'.join(
        f'        {name}) _arguments '
        + ' '.join(spec for option in options_of(each) for spec in _zsh_specs(option)) + ' ;;'
        for name, (_, each) in commands.items()
    )
    own = ' '.join(spec for option in options_of(parser) for spec in _zsh_specs(option))
    return ZSH.format(commands=described, options=own, cases=cases)


def _zsh_specs(option: Option) -> Iterator[str]:
    values = {
        'jobs': '_cronsched_names jobs', 'applications': '_cronsched_names applications',
        'directories': '_directories', 'files': '_files', 'words': f'({" ".join(option.words)})',
    }
    value = f':{option.kind}:{values.get(option.kind, " ")}' if option.kind else ''
    if not option.flags:
        yield _quote(f'*{value}')
    for flag in option.flags:
        yield _quote(f'{flag}[{_escape(option.help)}]{value}')


def _escape(text: str) -> str:
    for special in '\\[]:':
        text = text.replace(special, f'\\{special}')
    return text


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish(parser: argparse.ArgumentParser) -> str:
    lines = [
        f"complete -c cronsched -n __fish_use_subcommand{_fish_option(option)}"
        for option in options_of(parser)
    ]
    for name, (text, each) in subparsers_of(parser).items():
        lines.append(
            f'complete -c cronsched -n __fish_use_subcommand -a {name} -d {_fish(text)}')
        used = f"'__fish_seen_subcommand_from {name}'"
        lines += [
            f'complete -c cronsched -n {used}{_fish_option(option)}' for option in options_of(each)
        ]
    return FISH.format(lines='\n'.join(lines))


def _fish_option(option: Option) -> str:
    values = {
        'jobs': " -a '(cronsched completion --list jobs 2>/dev/null)'",
        'applications': " -a '(cronsched completion --list applications 2>/dev/null)'",
        'directories': " -a '(__fish_complete_directories)'", 'files': ' -F',
        'words': f" -a '{' '.join(option.words)}'",
    }
    flags = ''.join(
        f' -l {flag[2:]}' if flag.startswith('--') else f' -s {flag[1:]}' for flag in option.flags)
    needed = ' -r' if option.flags and option.kind else ''
    described = f' -d {_fish(option.help)}' if option.flags else ''
    return f'{flags}{needed}{values.get(option.kind, "")}{described}'


def _fish(text: str) -> str:
    return "'" + text.replace('\\', '\\\\').replace("'", "\\'") + "'"


SCRIPTS: Final = {'bash': bash, 'zsh': zsh, 'fish': fish}
