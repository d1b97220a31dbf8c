"""The expressions of one function, read."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from d4py_adaptive.dataflow.replication_rule.objects import class_of, is_array, is_iterator
from d4py_adaptive.dataflow.replication_rule.source import mangled
from d4py_adaptive.dataflow.replication_rule.values import (
    LOCAL,
    NOTHING,
    PLAIN,
    UNSEEN,
    Args,
    Atom,
    Bound,
    Holder,
    Instance,
    Live,
    Local,
    Method,
    Partial,
    Plain,
    Row,
    Shared,
    Super,
    Value,
    any_kept,
    full_name,
    holder,
    join,
    kept,
    kept_of,
    live,
    row,
)

if TYPE_CHECKING:
    from d4py_adaptive.dataflow.replication_rule.reading import Frame, Reader

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.LShift: "lshift", ast.RShift: "rshift", ast.BitOr: "or",
    ast.BitAnd: "and", ast.BitXor: "xor", ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt",
    ast.GtE: "ge", ast.In: "contains", ast.NotIn: "contains", ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert",
    ast.Not: "bool",
}  # fmt: skip
KEEP_MEMBERS = (ast.Add, ast.Mult, ast.BitOr, ast.BitAnd, ast.BitXor)
ARITHMETIC = frozenset({"numpy.ndarray"})


class Expressions:
    """Finds what expressions in a frame may stand for, and notes what they change."""

    def __init__(self, reader: Reader, frame: Frame) -> None:
        self.reader = reader
        self.frame = frame
        self.findings = reader.findings
        self._values: dict[type[ast.AST], Callable[..., Value]] = {
            ast.Constant: lambda _: PLAIN,
            ast.Name: lambda node: self.reader.variable(self.frame, node.id),
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.Call: self._call,
            ast.BinOp: self._binary,
            ast.UnaryOp: self._unary,
            ast.BoolOp: lambda node: join(*map(self.condition, node.values)),
            ast.Compare: self._compare,
            ast.IfExp: self._if,
            ast.Lambda: lambda node: self.reader.close(node, self.frame, self.defaults(node.args)),
            ast.Tuple: self._display,
            ast.List: self._display,
            ast.Set: self._display,
            ast.Dict: self._dict,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.JoinedStr: self._text,
            ast.FormattedValue: self._text,
            ast.NamedExpr: self._walrus,
            ast.Starred: lambda node: self.value(node.value),
            ast.Slice: self._slice,
            ast.Yield: self._yield,
            ast.YieldFrom: self._yield_from,
        }

    def here(self, node: ast.AST) -> None:
        """What is found from here on is found at `node`."""
        self.findings.place = replace(self.findings.place, node=node)

    def value(self, node: ast.expr) -> Value:
        """What `node` may stand for."""
        reader = self._values.get(type(node))
        if reader is None:
            self.findings.unsure(f"has an expression that cannot be followed, {type(node).__name__}")
            return UNSEEN
        place = self.findings.place
        self.here(node)
        found = reader(node)
        self.findings.place = place
        return found

    def store(self, target: ast.expr, value: Value, source: ast.AST) -> None:
        """`value` is assigned to `target`."""
        raise NotImplementedError

    def store_name(self, name: str, value: Value) -> None:
        """`value` is assigned to the variable `name`."""
        for renamed in reversed(self.frame.renamed):
            if name in renamed:
                self.reader.bind(self.frame, renamed[name], value)
                return
        owner = self.reader.owner_of(self.frame, name)
        if owner is not None:
            self.reader.bind(owner, name, value)
        else:
            kind = "global" if name in self.frame.names.global_ else "closure"
            self.findings.changed(f"assigns the {kind} variable {name}")

    def outlives(self, atom: Atom) -> bool:
        """Whether what carries the attributes of `atom` outlives the item."""
        if isinstance(atom, Bound | Super):
            return True
        return isinstance(atom, Method | Partial) and kept(atom)

    def condition(self, node: ast.expr) -> Value:
        """The value of `node`, whose truth is looked at."""
        value = self.value(node)
        self._special(value, ("__bool__", "__len__"), Args(), node)
        return value

    def defaults(self, spec: ast.arguments) -> dict[str, Value]:
        """What the parameters of a function defined here are by default."""
        positional = [*spec.posonlyargs, *spec.args]
        pairs = list(zip(positional[len(positional) - len(spec.defaults) :], spec.defaults, strict=True))
        pairs += [(name, default) for name, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if default]
        return {argument.arg: self.value(default) for argument, default in pairs}

    def _special(self, value: Value, names: Sequence[str], args: Args, node: ast.AST) -> Value:
        return join(*(self.reader.special(atom, name, args, node) for atom in value for name in names))

    # ------------------------------------------------------------------ taking apart

    def _attribute(self, node: ast.Attribute) -> Value:
        name = mangled(node.attr, self.frame.class_name)
        return self.reader.attribute(self.value(node.value), name, node)

    def _subscript(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        index = self.value(node.slice)
        special = self._special(base, ("__getitem__", "__missing__", "__class_getitem__"), Args((index,)), node)
        for atom in base:
            self._filling(atom, node)
        # An index that is no plain number or name may take a part of an array, which is a view of it.
        views = frozenset(atom for atom in base if is_array(atom) and index - PLAIN)
        if isinstance(node.slice, ast.Slice) and any_kept(base):
            return join(special, views, *(self._sliced(atom) for atom in base))
        return join(special, views, self._member(node, base))

    def _member(self, node: ast.Subscript, base: Value) -> Value:
        position = node.slice.value if isinstance(node.slice, ast.Constant) else None
        results = []
        for atom in base:
            if (
                isinstance(atom, Row)
                and isinstance(position, int)
                and -len(atom.members) <= position < len(atom.members)
            ):
                results.append(atom.members[position])
            else:
                results.append(self.reader.item(frozenset({atom})))
        return join(*results)

    def _sliced(self, atom: Atom) -> Value:
        cls = class_of(atom)
        members = self.reader.item(frozenset({atom}))
        if cls in (list, tuple, str, bytes) or isinstance(atom, Row | Holder):
            return holder(members)
        return members

    def _filling(self, atom: Atom, node: ast.Subscript) -> None:
        cls = class_of(atom)
        if isinstance(atom, Instance) or cls is None or full_name(cls) != "collections.defaultdict":
            return
        if not isinstance(atom, Live) or atom.obj.default_factory is not None:
            self.findings.changed(f"may fill a defaultdict with {ast.unparse(node)}")

    # ------------------------------------------------------------------ calls

    def _call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return self._super() if not node.args else self._old_super(*map(self.value, node.args))
        args = self._args(node)
        special = self._by_name(node, args)
        if special is not None:
            return special
        if isinstance(node.func, ast.Attribute):
            return self._call_method(node.func, args, node)
        return self.reader.call(self.value(node.func), args, node)

    def _call_method(self, func: ast.Attribute, args: Args, node: ast.Call) -> Value:
        name = mangled(func.attr, self.frame.class_name)
        results = []
        for atom in self.value(func.value):
            if isinstance(atom, Local | Holder | Row | Plain) or atom == Shared():
                results.append(self.reader.local_method(atom, name, args, node))
                results.append(self._call_users(atom, name, args, node))
            else:
                results.append(self.reader.call(self.reader.attribute(frozenset({atom}), name, func), args, node))
        return join(*results)

    def _call_users(self, atom: Atom, name: str, args: Args, node: ast.Call) -> Value:
        """An item might be of any of the user's classes that has the method."""
        if not isinstance(atom, Local):
            return NOTHING
        found = self.reader.of_users_classes(name, node)
        code = frozenset(part for part in found if isinstance(part, Bound | Partial))
        return self.reader.call(code, args, node)

    def _super(self) -> Value:
        scope = self.frame
        while scope.parent is not None:
            scope = scope.parent
        free = scope.function.__code__.co_freevars
        parameters = [*scope.node.args.posonlyargs, *scope.node.args.args]
        if "__class__" not in free or not parameters or not scope.function.__closure__:
            return UNSEEN
        after = scope.function.__closure__[free.index("__class__")].cell_contents
        receivers = scope.variables.get(parameters[0].arg, NOTHING)
        return frozenset(Super(after, atom) for atom in receivers)

    @staticmethod
    def _old_super(after: Value, receivers: Value = NOTHING) -> Value:
        classes = [atom.obj for atom in after if isinstance(atom, Live) and isinstance(atom.obj, type)]
        return frozenset(Super(cls, atom) for cls in classes for atom in receivers) or UNSEEN

    def _args(self, node: ast.Call) -> Args:
        positional: list[Value] = []
        star = NOTHING
        for argument in node.args:
            value = self.value(argument)
            members = self._spread(value, argument) if isinstance(argument, ast.Starred) else (value,)
            if isinstance(members, tuple) and not star:
                positional += members
            else:
                # Where the arguments after an unknown number of others land is not known.
                star = join(star, *members) if isinstance(members, tuple) else join(star, members)
        named = [(keyword.arg, self.value(keyword.value)) for keyword in node.keywords if keyword.arg]
        double_star = join(*(self._mapping(keyword.value, named) for keyword in node.keywords if not keyword.arg))
        return Args(tuple(positional), tuple(named), star, double_star)

    def _spread(self, value: Value, node: ast.Starred) -> tuple[Value, ...] | Value:
        only = next(iter(value)) if len(value) == 1 else None
        if isinstance(only, Row):
            return only.members
        if isinstance(only, Live) and isinstance(only.obj, tuple):
            return tuple(self.reader.seen(member) for member in only.obj)
        return join(LOCAL, self.reader.iterated(value, node.value))

    def _mapping(self, node: ast.expr, named: list[tuple[str, Value]]) -> Value:
        value = self.value(node)
        only = next(iter(value)) if len(value) == 1 else None
        if isinstance(only, Live) and type(only.obj) is dict and all(isinstance(name, str) for name in only.obj):
            named += [(name, self.reader.seen(member)) for name, member in only.obj.items()]
            return NOTHING
        return self.reader.item(value)

    def _by_name(self, node: ast.Call, args: Args) -> Value | None:
        """`getattr` and the like, which name an attribute."""
        function = self.value(node.func) if isinstance(node.func, ast.Name) else NOTHING
        if function in (live(getattr), live(hasattr)) and len(args.positional) > 1:
            constant = node.args[1]
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                found = self.reader.attribute(args.positional[0], constant.value, node)
                return join(found, *args.positional[2:])
            return join(LOCAL, UNSEEN if any_kept(args.positional[0]) else NOTHING, *args.positional[2:])
        return None

    # ------------------------------------------------------------------ operators

    @staticmethod
    def dunder_of(operator: ast.AST) -> str:
        """The special method of an operator."""
        return f"__{OPERATORS.get(type(operator), 'eq')}__"

    def _binary(self, node: ast.BinOp) -> Value:
        return self.combined(self.value(node.left), self.value(node.right), node.op, node)

    def combined(self, left: Value, right: Value, operator: ast.operator, node: ast.AST) -> Value:
        """What a binary operator gives."""
        dunder = self.dunder_of(operator)
        special = self._special(left, (dunder,), Args((right,)), node)
        mirrored = self._special(right, (f"__r{dunder[2:]}",), Args((left,)), node)
        if not left or not right:
            return NOTHING
        if left <= PLAIN and right <= PLAIN:
            return PLAIN
        members = NOTHING
        if isinstance(operator, KEEP_MEMBERS):
            members = self.members(left | right)
        return join(special, mirrored, holder(members))

    def members(self, value: Value) -> Value:
        """What of `value` a container has that is made of it by an operator."""
        return join(*(self._members(atom) for atom in value))

    def _members(self, atom: Atom) -> Value:
        cls = class_of(atom)
        if not kept(atom) or (cls is not None and full_name(cls) in ARITHMETIC):
            return NOTHING
        return self.reader.item(frozenset({atom}))

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        special = self._special(value, (self.dunder_of(node.op),), Args(), node)
        return join(special, PLAIN if isinstance(node.op, ast.Not) or value <= PLAIN else LOCAL)

    def _compare(self, node: ast.Compare) -> Value:
        left = self.value(node.left)
        result = PLAIN
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            if isinstance(operator, ast.Is | ast.IsNot):
                continue
            contains = isinstance(operator, ast.In | ast.NotIn)
            if contains and any(map(is_iterator, right)):
                self.findings.changed(f"uses up {ast.unparse(comparator)}, which is kept between items")
            holder_, other = (right, left) if contains else (left, right)
            result = join(result, LOCAL if kept_of(left, right) or left | right != PLAIN else PLAIN)
            self._special(holder_, (self.dunder_of(operator),), Args((other,)), node)
            left = right
        return result

    def _if(self, node: ast.IfExp) -> Value:
        self.condition(node.test)
        return join(self.value(node.body), self.value(node.orelse))

    # ------------------------------------------------------------------ displays

    def _display(self, node: ast.Tuple | ast.List | ast.Set) -> Value:
        starred = any(isinstance(part, ast.Starred) for part in node.elts)
        members = []
        for part in node.elts:
            value = self.value(part)
            members.append(self.reader.iterated(value, part) if isinstance(part, ast.Starred) else value)
        if isinstance(node, ast.Tuple) and not starred:
            return row(*members) if all(members) else NOTHING
        return holder(join(*members))

    def _dict(self, node: ast.Dict) -> Value:
        members = []
        for key, member in zip(node.keys, node.values, strict=True):
            value = self.value(member)
            members.append(self.reader.item(value) if key is None else join(self.value(key), value))
        return holder(join(*members))

    def _comprehension(self, node: Any) -> Value:
        names = {
            name.id: f"{name.id} of {node.lineno}:{node.col_offset}"
            for generator in node.generators
            for name in ast.walk(generator.target)
            if isinstance(name, ast.Name)
        }
        first = self.value(node.generators[0].iter)
        before = self.frame.renamed
        for name in names.values():
            self.reader.bind(self.frame, name, NOTHING)
            self.frame.variables.setdefault(name, NOTHING)
        self.frame.renamed = (*before, names)
        try:
            return self._generated(node, first)
        finally:
            self.frame.renamed = before

    def _generated(self, node: Any, first: Value) -> Value:
        for position, generator in enumerate(node.generators):
            if generator.is_async:
                self.findings.unsure("has an asynchronous comprehension")
            value = first if position == 0 else self.value(generator.iter)
            self.store(generator.target, self.reader.iterated(value, generator.iter), generator.iter)
            for test in generator.ifs:
                self.condition(test)
        if isinstance(node, ast.DictComp):
            return holder(join(self.value(node.key), self.value(node.value)))
        return holder(self.value(node.elt))

    def _text(self, node: ast.JoinedStr | ast.FormattedValue) -> Value:
        parts = node.values if isinstance(node, ast.JoinedStr) else [node.value]
        for part in parts:
            value = self.value(part)
            self._special(value, ("__format__", "__str__", "__repr__"), Args((PLAIN,)), part)
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            self.value(node.format_spec)
        return PLAIN

    def _walrus(self, node: ast.NamedExpr) -> Value:
        value = self.value(node.value)
        owner = self.reader.owner_of(self.frame, node.target.id)
        if owner is None:
            self.store_name(node.target.id, value)
        else:
            self.reader.bind(owner, node.target.id, value)
        return value

    def _slice(self, node: ast.Slice) -> Value:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.value(part)
        return LOCAL

    def _yield(self, node: ast.Yield) -> Value:
        self.reader.returned(self.frame, holder(self.value(node.value)) if node.value else PLAIN)
        return LOCAL

    def _yield_from(self, node: ast.YieldFrom) -> Value:
        value = self.value(node.value)
        self.reader.returned(self.frame, holder(self.reader.iterated(value, node.value)))
        return join(LOCAL, value)
