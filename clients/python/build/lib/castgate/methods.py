"""Methods that are made of the functions of verbs.py."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, AsyncIterator, Coroutine, Callable, Iterator, TypeVar, Union

from .call import Answered, Call, Command

Method = TypeVar("Method", bound=Callable[..., Any])

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    Given = ParamSpec("Given")


def answering(build: Callable[Given, Union[Call[Answered], Command[Answered]]]) -> Callable[Concatenate[Any, Given], Answered]:
    """A method of Client that makes a call and returns its answer."""

    def method(self: Any, /, *args: Given.args, **kwargs: Given.kwargs) -> Answered:
        answer: Answered = self._answer(build(*args, **kwargs).call())
        return answer

    return _as(build, method)


def listing(build: Callable[Given, Call[Answered]]) -> Callable[Concatenate[Any, Given], Iterator[Answered]]:
    """A method of Client that makes a call and returns the rows of its answer."""

    def method(self: Any, /, *args: Given.args, **kwargs: Given.kwargs) -> Iterator[Answered]:
        rows: Iterator[Answered] = self._rows(build(*args, **kwargs))
        return rows

    return _as(build, method)


def answering_later(build: Callable[Given, Union[Call[Answered], Command[Answered]]]) -> Callable[Concatenate[Any, Given], Coroutine[Any, Any, Answered]]:
    """A method of AsyncClient that makes a call and returns its answer."""

    async def method(self: Any, /, *args: Given.args, **kwargs: Given.kwargs) -> Answered:
        answer: Answered = await self._answer(build(*args, **kwargs).call())
        return answer

    return _as(build, method)


def listing_later(build: Callable[Given, Call[Answered]]) -> Callable[Concatenate[Any, Given], AsyncIterator[Answered]]:
    """A method of AsyncClient that makes a call and returns the rows of its answer."""

    def method(self: Any, /, *args: Given.args, **kwargs: Given.kwargs) -> AsyncIterator[Answered]:
        rows: AsyncIterator[Answered] = self._rows(build(*args, **kwargs))
        return rows

    return _as(build, method)


def adding(build: Callable[Given, Command[Any]]) -> Callable[Concatenate[Any, Given], None]:
    """A method of a batch that adds a command."""

    def method(self: Any, /, *args: Given.args, **kwargs: Given.kwargs) -> None:
        self._commands.append(build(*args, **kwargs))

    return _as(build, method)


def _as(build: Callable[..., Any], method: Method) -> Method:
    """Gives a method the name, the documentation and the arguments of a function."""
    functools.update_wrapper(method, build)
    signature = inspect.signature(build)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    shown = signature.replace(parameters=[itself, *signature.parameters.values()], return_annotation=inspect.Signature.empty)
    setattr(method, "__signature__", shown)
    return method
