"""The statements of one function, read."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from d4py_adaptive.dataflow.replication_rule.expressions import Expressions
from d4py_adaptive.dataflow.replication_rule.findings import text_of
from d4py_adaptive.dataflow.replication_rule.source import mangled
from d4py_adaptive.dataflow.replication_rule.values import (
    LOCAL,
    PLAIN,
    UNSEEN,
    Args,
    Foreign,
    Holder,
    Instance,
    Live,
    Local,
    Plain,
    Row,
    Shared,
    Value,
    any_kept,
    holder,
    immutable,
    join,
    live,
)

if TYPE_CHECKING:
    from d4py_adaptive.dataflow.replication_rule.reading import Frame, Reader

NOT_IMPORTED_TO_LOOK = frozenset({"antigravity", "this", "idlelib"})


class Statements(Expressions):
    """Reads the body of a frame once."""

    def __init__(self, reader: Reader, frame: Frame) -> None:
        super().__init__(reader, frame)
        self._readers: dict[type[ast.AST], Callable[..., None]] = {
            ast.Expr: self._expression,
            ast.Return: self._return,
            ast.Assign: self._assign,
            ast.AnnAssign: self._annotated,
            ast.AugAssign: self._augmented,
            ast.Delete: self._delete,
            ast.For: self._for,
            ast.While: self._while,
            ast.If: self._while,
            ast.With: self._with,
            ast.Try: self._try,
            ast.TryStar: self._try,
            ast.Raise: self._children,
            ast.Assert: self._children,
            ast.Match: self._match,
            ast.FunctionDef: self._function,
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
        }

    def read(self) -> None:
        """Read the whole body."""
        node = self.frame.node
        if isinstance(node, ast.Lambda):
            self.reader.returned(self.frame, self.value(node.body))
            return
        self._block(node.body)
        self.reader.returned(self.frame, PLAIN)

    def _block(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self.here(statement)
            if isinstance(statement, ast.Pass | ast.Break | ast.Continue | ast.Global | ast.Nonlocal):
                continue
            reader = self._readers.get(type(statement))
            if reader is None:
                self.findings.unsure(f"has a statement that cannot be followed, {type(statement).__name__}")
            else:
                reader(statement)

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)

    def _expression(self, node: ast.Expr) -> None:
        self.value(node.value)

    def _return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.reader.returned(self.frame, self.value(node.value))

    # ------------------------------------------------------------------ assignments

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assign_from(target, node.value)

    def _assign_from(self, target: ast.expr, source: ast.expr) -> None:
        if (
            isinstance(target, ast.Tuple | ast.List)
            and isinstance(source, ast.Tuple | ast.List)
            and len(target.elts) == len(source.elts)
            and not any(isinstance(part, ast.Starred) for part in [*target.elts, *source.elts])
        ):
            for inner, value in zip(target.elts, source.elts, strict=True):
                self._assign_from(inner, value)
        else:
            self.store(target, self.value(source), source)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.store(node.target, self.value(node.value), node.value)

    def store(self, target: ast.expr, value: Value, source: ast.AST) -> None:
        """`value` is assigned to `target`."""
        if isinstance(target, ast.Name):
            self.store_name(target.id, value)
        elif isinstance(target, ast.Starred):
            self.store(target.value, holder(value), source)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value, source)
        elif isinstance(target, ast.Attribute):
            name = mangled(target.attr, self.frame.class_name)
            self._store_into(self.value(target.value), target, value, "__setattr__", name)
        elif isinstance(target, ast.Subscript):
            self.value(target.slice)
            self._store_into(self.value(target.value), target, value, "__setitem__")

    def _unpack(self, target: ast.Tuple | ast.List, value: Value, source: ast.AST) -> None:
        if any(isinstance(part, ast.Starred) for part in target.elts):
            value = self.reader.iterated(value, source)
            values = [value] * len(target.elts)
        else:
            values = self.reader.unpacked(value, len(target.elts), source)
        for inner, part in zip(target.elts, values, strict=True):
            self.store(inner, part, source)

    def _store_into(self, base: Value, target: ast.expr, value: Value, hook: str, name: str = "") -> None:
        for atom in base:
            if isinstance(atom, Live | Shared) or self.outlives(atom):
                self.findings.changed(f"assigns {text_of(target)}")
            elif not isinstance(atom, Plain):
                self.reader.stored(value)
                self.reader.special(atom, hook, Args((PLAIN, value)), target)
                self._set_property(atom, name, value, target)

    def _set_property(self, atom: object, name: str, value: Value, node: ast.AST) -> None:
        classes = [atom.cls] if isinstance(atom, Instance) else self.reader.users_classes.get(name, [])
        for cls in classes:
            for base in cls.__mro__:
                setter = getattr(vars(base).get(name), "fset", None)
                if setter is not None:
                    self.reader.call(live(setter), Args((frozenset({Instance(cls)}), value)), node)

    def _augmented(self, node: ast.AugAssign) -> None:
        operand = self.value(node.value)
        target = node.target
        if not isinstance(target, ast.Name):
            before = self.value(_loaded(target))
            self._in_place(before, operand, node)
            self.store(target, self.combined(before, operand, node.op, node), node.value)
            return
        before = self.reader.variable(self.frame, target.id)
        self._in_place(before, operand, node)
        self.store_name(target.id, join(before, self.combined(before, operand, node.op, node)))

    def _in_place(self, before: Value, operand: Value, node: ast.AugAssign) -> None:
        dunder = f"__i{self.dunder_of(node.op)[2:]}"
        for atom in before:
            if isinstance(atom, Live) and not immutable(atom.obj):
                if not self.reader.special(atom, dunder, Args((operand,)), node):
                    self.findings.changed(f"changes {text_of(node.target)} in place")
            elif isinstance(atom, Shared):
                self.findings.unsure(f"may change {text_of(node.target)} in place")
            elif not isinstance(atom, Plain):
                self.reader.special(atom, dunder, Args((operand,)), node)
                self.reader.stored(self.members(operand))

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name) and self.reader.owner_of(self.frame, target.id) is None:
                self.findings.changed(f"deletes {target.id}")
            elif isinstance(target, ast.Tuple | ast.List):
                self._delete(ast.Delete(target.elts))
            elif isinstance(target, ast.Attribute | ast.Subscript):
                base = self.value(target.value)
                if any(isinstance(atom, Live | Shared) or self.outlives(atom) for atom in base):
                    self.findings.changed(f"deletes {text_of(target)}")
                hook = "__delattr__" if isinstance(target, ast.Attribute) else "__delitem__"
                for atom in base:
                    self.reader.special(atom, hook, Args((PLAIN,)), target)

    # ------------------------------------------------------------------ control

    def _for(self, node: ast.For) -> None:
        self.store(node.target, self.reader.iterated(self.value(node.iter), node.iter), node.iter)
        self._block(node.body)
        self._block(node.orelse)

    def _while(self, node: ast.While | ast.If) -> None:
        self.condition(node.test)
        self._block(node.body)
        self._block(node.orelse)

    def _with(self, node: ast.With) -> None:
        for item in node.items:
            value = self.value(item.context_expr)
            entered = self._entered(value, item.context_expr)
            if item.optional_vars is not None:
                self.store(item.optional_vars, entered, item.context_expr)
        self._block(node.body)

    def _entered(self, value: Value, node: ast.AST) -> Value:
        results = []
        for atom in value:
            if isinstance(atom, Local | Plain | Holder | Row):
                members = self.reader.item(frozenset({atom}))
                results.append(join(frozenset({atom}), self.reader.local(), members))
                self.reader.special(atom, "__enter__", Args(), node)
                self.reader.special(atom, "__exit__", Args(star=LOCAL), node)
                continue
            for name, args in (("__enter__", Args()), ("__exit__", Args((LOCAL, LOCAL, LOCAL)))):
                found = self.reader.attribute(frozenset({atom}), name, node)
                results.append(self.reader.call(found, args, node))
        return join(*results)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        self._block(node.body)
        for handler in node.handlers:
            if handler.type is not None:
                self.value(handler.type)
            if handler.name:
                self.store_name(handler.name, self.reader.local())
            self._block(handler.body)
        self._block(node.orelse)
        self._block(node.finalbody)

    def _match(self, node: ast.Match) -> None:
        subject = self.value(node.subject)
        members = self.reader.item(subject)
        captured = join(subject, members, self.reader.local(), UNSEEN if any_kept(subject) else LOCAL)
        for case in node.cases:
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                    self.store_name(part.name, captured)
                elif isinstance(part, ast.MatchMapping) and part.rest:
                    self.store_name(part.rest, holder(captured))
                elif isinstance(part, ast.MatchClass):
                    for name in part.kwd_attrs:
                        self.reader.attribute(captured, name, node.subject)
            if case.guard is not None:
                self.value(case.guard)
            self._block(case.body)

    # ------------------------------------------------------------------ definitions

    def _function(self, node: ast.FunctionDef) -> None:
        value = self.reader.close(node, self.frame, self.defaults(node.args))
        for decorator in reversed(node.decorator_list):
            value = join(self.reader.call(self.value(decorator), Args((value,)), decorator))
        self.store_name(node.name, value)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            self._module(alias.name)
            self.store_name(alias.asname or name, self._module(name))

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            package = str(self.frame.function.__globals__.get("__package__") or "").split(".")
            module = ".".join([*package[: len(package) - node.level + 1], *([module] if module else [])])
        for alias in node.names:
            found = self.reader.attribute(self._module(module), alias.name, node)
            inner = sys.modules.get(f"{module}.{alias.name}")
            self.store_name(alias.asname or alias.name, found if inner is None else frozenset({Live(inner)}))

    def _module(self, name: str) -> Value:
        top = name.partition(".")[0]
        if name not in sys.modules and top in sys.stdlib_module_names - NOT_IMPORTED_TO_LOOK:
            try:
                importlib.import_module(name)
            except ImportError:
                return UNSEEN
        if name in sys.modules:
            return frozenset({Live(sys.modules[name])})
        if self.reader.sources.is_library_module(top):
            return frozenset({Foreign(name)})
        self.findings.unsure(f"imports {name}, which is not loaded yet")
        return UNSEEN


def _loaded(target: ast.Attribute | ast.Subscript) -> ast.expr:
    loaded: ast.expr = (
        ast.Attribute(target.value, target.attr, ast.Load())
        if isinstance(target, ast.Attribute)
        else ast.Subscript(target.value, target.slice, ast.Load())
    )
    return ast.copy_location(loaded, target)
